/** Errors of the API as RFC 9457 problem details, and the one error class the app handles. */

/** One field of a refused request and what is wrong with it. */
export interface FieldProblem {
  field: string;
  message: string;
}

/** RFC 9457 problem details, as the API sends them. */
export interface ProblemDetails {
  type?: string;
  id?: string;
  title?: string;
  status?: number;
  detail?: string;
  hint?: string;
  errors?: unknown;
}

/** A request that was refused (`status` is the HTTP status) or never reached the server (`status` is 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: ProblemDetails;

  constructor(status: number, problem: ProblemDetails) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
  }

  /** True when the server could not be reached at all. */
  get isOffline(): boolean {
    return this.status === 0;
  }

  /** What the server says to do about it, if it says so. */
  get hint(): string {
    return this.problem.hint ?? "";
  }

  /** The fields that were refused, by name; empty when the problem is not about fields. */
  get fields(): FieldProblem[] {
    return readFieldProblems(this.problem.errors);
  }
}

/** Reads the `errors` member: a list of objects that name a field as `field`, `loc`, `pointer` or `line`, and say a message. */
export function readFieldProblems(errors: unknown): FieldProblem[] {
  if (!Array.isArray(errors)) return [];
  return errors.flatMap((entry: unknown) => {
    if (typeof entry === "string") return [{ field: "", message: entry }];
    if (typeof entry !== "object" || entry === null) return [];
    const record = entry as Record<string, unknown>;
    const message = [record.message, record.detail, record.msg].find((text) => typeof text === "string");
    return typeof message === "string" ? [{ field: fieldName(record), message }] : [];
  });
}

function fieldName(record: Record<string, unknown>): string {
  if (typeof record.field === "string") return record.field;
  if (Array.isArray(record.loc)) return record.loc.filter((part) => part !== "body").join(".");
  if (typeof record.pointer === "string") return record.pointer.replace(/^#?\//, "").replaceAll("/", ".");
  if (typeof record.line === "number") return String(record.line);
  return "";
}

/** Makes the error of a response whose body is `text`; a body that is not problem details is not shown to the user. */
export function problemFrom(status: number, contentType: string | null, text: string): ApiError {
  if (contentType?.includes("json")) {
    try {
      const body: unknown = JSON.parse(text);
      if (typeof body === "object" && body !== null) return new ApiError(status, body);
    } catch {
      return new ApiError(status, {});
    }
  }
  return new ApiError(status, {});
}
