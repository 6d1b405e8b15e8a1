/** Who is signed in. The session itself is a cookie that scripts cannot read; this only asks the server about it. */

import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useEffectEvent, useMemo } from "react";
import { get, post, remove, whenSignedOut } from "../api/client";
import { ApiError } from "../api/problem";
import type { Company, Session } from "../api/types";
import { useI18n } from "../i18n/i18n";
import { may } from "./permissions";

interface SessionValue {
  user: Session;
  /** Whether the server lets this user do an action on a resource. */
  may: (resource: string, action: string) => boolean;
  signOut: () => Promise<void>;
}

const Context = createContext<SessionValue | null>(null);

const SESSION = "/session";
const KEY = ["session"];

/** Signs in and keeps the server's cookie. */
export async function signIn(username: string, password: string): Promise<void> {
  await post(SESSION, { username, password });
}

async function whoAmI(): Promise<Session | null> {
  try {
    return await get<Session>(SESSION);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/** Lead to the door, and keep nothing that the user has read: the next one may be another. */
function forgetUser(queries: QueryClient): void {
  queries.setQueryData(KEY, null);
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== KEY[0] });
}

/** The state of the session: unknown yet, signed out, or the user. */
export function useSessionQuery() {
  return useQuery({ queryKey: KEY, queryFn: whoAmI, staleTime: Number.POSITIVE_INFINITY, retry: false });
}

/** Gives the signed-in user to all below it, and writes times in the company's time zone. */
export function SessionProvider({ user, children }: { user: Session; children: ReactNode }) {
  const queries = useQueryClient();
  const { setTimeZone, suggestLanguage } = useI18n();
  const suggest = useEffectEvent(suggestLanguage);
  const company = useQuery({ queryKey: ["company"], queryFn: () => get<Company>("/company"), retry: false });

  useEffect(() => {
    setTimeZone(company.data?.timezone || undefined);
  }, [company.data, setTimeZone]);

  useEffect(() => {
    if (user.language) suggest(user.language);
  }, [user.language]);

  useEffect(() => {
    whenSignedOut(() => forgetUser(queries));
    return () => whenSignedOut(() => undefined);
  }, [queries]);

  const value = useMemo<SessionValue>(
    () => ({
      user,
      may: (resource, action) => may(user, resource, action),
      signOut: async () => {
        await remove(SESSION);
        forgetUser(queries);
      },
    }),
    [user, queries],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** The signed-in user; only below a `SessionProvider`. */
export function useSession(): SessionValue {
  const value = useContext(Context);
  if (!value) throw new Error("useSession needs a SessionProvider above it");
  return value;
}
