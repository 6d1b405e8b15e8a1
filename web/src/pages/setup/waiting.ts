import type { WaitingMessages } from "../../api/types";
import type { Dictionary } from "../../i18n/en";

/** Says how many messages wait for an extension, or nothing where none do. */
export function waitingText(counts: WaitingMessages, t: Dictionary): string {
  const parts = [
    counts.new > 0 && t.extensions.newMessages(counts.new),
    counts.old > 0 && t.extensions.oldMessages(counts.old),
  ];
  return parts.filter(Boolean).join(", ");
}
