/** The wrong lines of a file that was refused. */

import type { FieldProblem } from "../../api/problem";

/** A line of the file, counted from 1 with its heading, and what is wrong with it. */
export interface LineError {
  line: number;
  message: string;
}

/** Finds the line's number in the place of each problem (`body.lines.3`, `3`, `line 3`); problems without one are left out. */
export function lineErrors(fields: readonly FieldProblem[]): LineError[] {
  return fields
    .flatMap(({ field, message }) => {
      const number = /(?:^|lines?[ .])(\d+)(?:\D|$)/.exec(field)?.[1];
      return number ? [{ line: Number(number), message }] : [];
    })
    .sort((a, b) => a.line - b.line);
}
