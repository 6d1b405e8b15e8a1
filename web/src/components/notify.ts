/** Short messages at the edge of the page: what was done, and what was refused. */

import { notifications } from "@mantine/notifications";
import type { I18n } from "../i18n/i18n";
import { problemDetails, problemText } from "./problem-alert";

/** Says that something was done. */
export function notifyDone(message: string): void {
  notifications.show({ message, color: "teal", autoClose: 4000 });
}

/** Says that something was refused, and what to do about it. */
export function notifyProblem(error: unknown, i18n: Pick<I18n, "t" | "language">): void {
  const title = problemText(error, i18n);
  notifications.show({ title, message: problemDetails(error, i18n).join(" "), color: "red", autoClose: 8000 });
}
