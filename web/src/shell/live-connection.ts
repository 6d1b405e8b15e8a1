/** One live WebSocket for the whole app: events make the lists they concern stale, at most a few times a second. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { openLive, staleKeys } from "../api/live";

/** Milliseconds in which events are gathered before lists are read again. */
const GATHER_MS = 250;

/** Keeps lists fresh while the shell is shown and there are events for the user (`wanted`); false while that connection is lost. */
export function useLiveConnection(wanted: boolean): boolean {
  const queries = useQueryClient();
  const [connected, setConnected] = useState(true);

  useEffect(() => {
    if (!wanted) return;
    let lost = false;
    const stale = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = (): void => {
      timer = undefined;
      for (const key of stale) void queries.invalidateQueries({ queryKey: [key] });
      stale.clear();
    };
    const close = openLive({
      onEvent: (event) => {
        for (const key of staleKeys(event.kind)) stale.add(key);
        timer ??= setTimeout(refresh, GATHER_MS);
      },
      onState: (open) => {
        setConnected(open);
        // Of what happened while the connection was lost no event comes.
        if (open) void queries.invalidateQueries(lost ? undefined : { queryKey: ["calls"] });
        lost = !open;
      },
      onSignedOut: () => void queries.invalidateQueries({ queryKey: ["session"] }),
    });
    return () => {
      clearTimeout(timer);
      close();
    };
  }, [queries, wanted]);

  return connected;
}
