/** The typed door to the REST API: JSON in and out, problems as `ApiError`, an idempotency key on every POST. */

import { ApiError, problemFrom } from "./problem";

/** Where the API lives, on the server that served this page. */
export const API_ROOT = "/api/v1";

/** A value that can stand in a query string; empty ones are left out. */
export type QueryValue = string | number | boolean | null | undefined;
export type Query = Record<string, QueryValue>;

/** A page of a list; `next_cursor` asks for the one after it. */
export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

/** Builds the address of a resource, leaving out what is empty. */
export function address(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return `${API_ROOT}${path}${text ? `?${text}` : ""}`;
}

/** A random key of 128 bits; `crypto.randomUUID` exists only on pages that came by HTTPS or from the same machine. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const WRONG_PASSWORD = "urn:ramal:problem:api.wrong_credentials";

let onSignedOut: () => void = () => undefined;

/** Names what to do when the server says that the session is over (401). */
export function whenSignedOut(action: () => void): void {
  onSignedOut = action;
}

async function request(
  method: string,
  url: string,
  headers: Record<string, string>,
  body?: BodyInit,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { method, headers, body, credentials: "same-origin" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, {});
  }
  if (response.ok) return response;
  const error = problemFrom(response.status, response.headers.get("content-type"), await response.text());
  // A wrong password is a mistake in a form; the session, if there is one, goes on.
  if (error.status === 401 && error.problem.type !== WRONG_PASSWORD) onSignedOut();
  throw error;
}

async function json<T>(response: Response): Promise<T> {
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

const jsonHeaders = { accept: "application/json, application/problem+json" };

/** Reads a resource. */
export async function get<T>(path: string, query?: Query): Promise<T> {
  return json<T>(await request("GET", address(path, query), jsonHeaders));
}

/** Reads a resource that is text. */
export async function getText(path: string, query?: Query): Promise<string> {
  const accept = "text/plain, application/problem+json";
  return (await request("GET", address(path, query), { accept })).text();
}

/** Sends JSON, or nothing; each call has its own idempotency key, so that a repeated delivery has no second effect. */
export async function post<T>(path: string, body?: unknown): Promise<T> {
  const headers = { ...jsonHeaders, "idempotency-key": newKey() };
  if (body === undefined) return json<T>(await request("POST", address(path), headers));
  return json<T>(
    await request("POST", address(path), { ...headers, "content-type": "application/json" }, JSON.stringify(body)),
  );
}

/** Changes the given fields of a resource. */
export async function patch<T>(path: string, body: unknown): Promise<T> {
  const headers = { ...jsonHeaders, "content-type": "application/json" };
  return json<T>(await request("PATCH", address(path), headers, JSON.stringify(body)));
}

/** Deletes a resource; most answer nothing, some say what became of it. */
export async function remove<T = void>(path: string): Promise<T> {
  return json<T>(await request("DELETE", address(path), jsonHeaders));
}

/** Sends a file as it is. */
export async function upload<T>(path: string, file: Blob, contentType: string, query?: Query): Promise<T> {
  const headers = { ...jsonHeaders, "content-type": contentType, "idempotency-key": newKey() };
  return json<T>(await request("POST", address(path, query), headers, file));
}
