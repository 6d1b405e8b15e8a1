/** Short messages at the edge of the page: what was done, and what was refused. */

import { notifications } from "@mantine/notifications";
import { ApiError } from "../api/problem";
import type { Dictionary } from "../i18n/en";
import { problemText } from "./problem-alert";

/** Says that something was done. */
export function notifyDone(message: string): void {
  notifications.show({ message, color: "teal", autoClose: 4000 });
}

/** Says that something was refused, and what to do about it. */
export function notifyProblem(error: unknown, t: Dictionary): void {
  const hint = error instanceof ApiError && error.hint ? error.hint : undefined;
  const title = problemText(error, t);
  notifications.show({ title, message: hint ?? "", color: "red", autoClose: 8000 });
}
