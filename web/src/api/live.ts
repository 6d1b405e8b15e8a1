/** The live WebSocket: says which lists have changed, and reconnects with growing pauses. */

import { API_ROOT } from "./client";

/** The part of an event that the app needs: what kind it is, and of which call. */
export interface LiveEvent {
  kind: string;
  callId: string;
}

/** Reads an event from the socket's text; anything that is no event is null. */
export function readEvent(text: unknown): LiveEvent | null {
  if (typeof text !== "string") return null;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof body !== "object" || body === null) return null;
  const record = body as Record<string, unknown>;
  if (typeof record.kind !== "string") return null;
  return { kind: record.kind, callId: typeof record.call_id === "string" ? record.call_id : "" };
}

const stale: Record<string, readonly string[]> = {
  call: ["calls"],
  leg: ["calls"],
  transfer: ["calls"],
  recording: ["calls", "cdrs", "recordings", "leads", "contacts"],
  transcript: ["transcripts"],
  cdr: ["cdrs"],
  charge: ["cdrs"],
  lead: ["leads"],
  contact: ["contacts"],
  activity: ["leads", "contacts"],
  extension: ["extensions"],
  trunk: ["trunks"],
  visit: ["visits"],
  visitor: ["visits"],
  camera: ["cameras"],
};

/** The resources that an event makes stale, by the first word of its kind; a call that ended changes the history too. */
export function staleKeys(kind: string): readonly string[] {
  if (kind === "call.ended") return ["calls", "cdrs", "leads", "contacts"];
  return stale[kind.split(".")[0] ?? ""] ?? [];
}

/** The close code by which the server says that nobody is signed in. */
export const NOT_SIGNED_IN = 4401;

/** Milliseconds to wait before connection attempt `attempt` (0 is the first again): 0.5 s, doubling up to 15 s. */
export function retryDelay(attempt: number): number {
  return Math.min(15_000, 500 * 2 ** attempt);
}

/** Keeps a socket to the server open until the returned function is called. */
export function openLive(handlers: {
  onEvent: (event: LiveEvent) => void;
  onState: (connected: boolean) => void;
  onSignedOut: () => void;
}): () => void {
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;
  let closed = false;

  const connect = (): void => {
    const scheme = window.location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${window.location.host}${API_ROOT}/events`);
    socket.onopen = () => {
      attempt = 0;
      handlers.onState(true);
    };
    socket.onmessage = (message) => {
      const event = readEvent(message.data);
      if (event) handlers.onEvent(event);
    };
    socket.onclose = ({ code }) => {
      if (closed) return;
      handlers.onState(false);
      if (code === NOT_SIGNED_IN) handlers.onSignedOut();
      else timer = setTimeout(connect, retryDelay(attempt++));
    };
  };

  connect();
  return () => {
    closed = true;
    clearTimeout(timer);
    socket?.close();
  };
}
