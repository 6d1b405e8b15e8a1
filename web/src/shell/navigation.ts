/** Which pages a session may see, and where it begins. */

import type { Session } from "../api/types";
import type { IconName } from "../components/icons";
import { may } from "../session/permissions";

/** The pages of the app; the name is also the key of its title in the dictionary. */
export type PageName =
  | "live"
  | "calls"
  | "leads"
  | "contacts"
  | "visitors"
  | "extensions"
  | "trunks"
  | "numbers"
  | "routes"
  | "rates"
  | "cameras"
  | "users"
  | "company";

/** A page in the navigation, and the permission that it needs. */
export interface NavigationEntry {
  page: PageName;
  path: string;
  icon: IconName;
  needs: readonly [resource: string, action: string];
}

/** The everyday pages. */
export const workPages: readonly NavigationEntry[] = [
  { page: "live", path: "/live", icon: "live", needs: ["calls", "control"] },
  { page: "calls", path: "/calls", icon: "history", needs: ["cdrs", "read"] },
  { page: "leads", path: "/leads", icon: "lead", needs: ["leads", "read"] },
  { page: "contacts", path: "/contacts", icon: "contact", needs: ["contacts", "read"] },
  { page: "visitors", path: "/visitors", icon: "visitors", needs: ["visits", "read"] },
];

/** The pages where the engine is set up. */
export const setupPages: readonly NavigationEntry[] = [
  { page: "extensions", path: "/setup/extensions", icon: "extension", needs: ["extensions", "create"] },
  { page: "trunks", path: "/setup/trunks", icon: "trunk", needs: ["trunks", "create"] },
  { page: "numbers", path: "/setup/numbers", icon: "number", needs: ["numbers", "create"] },
  { page: "routes", path: "/setup/routes", icon: "route", needs: ["routes", "create"] },
  { page: "rates", path: "/setup/rates", icon: "rate", needs: ["rates", "create"] },
  { page: "cameras", path: "/setup/cameras", icon: "camera", needs: ["cameras", "create"] },
  { page: "users", path: "/setup/users", icon: "users", needs: ["users", "create"] },
  { page: "company", path: "/setup/company", icon: "company", needs: ["company", "change"] },
];

const allPages = [...workPages, ...setupPages];

/** Whether a session may see a page. */
export function mayVisit(session: Session, page: PageName): boolean {
  return allPages.some((entry) => entry.page === page && may(session, ...entry.needs));
}

/** The page a session begins with: live calls for who works with them, visitors for the owner of a shop. */
export function homePath(session: Session): string {
  if (mayVisit(session, "live")) return "/live";
  return mayVisit(session, "visitors") ? "/visitors" : "/calls";
}
