/** What a session allows, as the server tells it. */

import type { Session } from "../api/types";

/** Whether a session allows an action on a resource, on all of it or on what is the user's own. */
export function may(session: Session, resource: string, action: string): boolean {
  return session.permissions[resource]?.[action] !== undefined;
}

/** Whether a session sees its own calls only, and has no extension that could have any. */
export function lacksExtension(session: Session): boolean {
  return session.permissions.calls?.read === "own" && !session.extension;
}
