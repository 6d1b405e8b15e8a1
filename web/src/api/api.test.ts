import { afterEach, describe, expect, it, vi } from "vitest";
import { address, get, post, whenSignedOut } from "./client";
import { readEvent, retryDelay, staleKeys } from "./live";
import { ApiError, problemFrom } from "./problem";

afterEach(() => {
  vi.unstubAllGlobals();
  whenSignedOut(() => undefined);
});

function answer(status: number, body: unknown, type = "application/problem+json"): ReturnType<typeof vi.fn> {
  const fetch = vi.fn(async () => new Response(JSON.stringify(body), { status, headers: { "content-type": type } }));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

describe("addresses", () => {
  it("leave out what is empty and escape the rest", () => {
    expect(address("/cdrs", { number: "+7 495", direction: "", cursor: null, limit: 50 })).toBe(
      "/api/v1/cdrs?number=%2B7+495&limit=50",
    );
  });
});

describe("requests", () => {
  it("carry a fresh idempotency key with every POST", async () => {
    const fetch = answer(201, { id: "1" }, "application/json");
    await post("/leads", {});
    await post("/leads", {});
    const keys = fetch.mock.calls.map(([, init]) => init.headers["idempotency-key"]);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(keys).size).toBe(2);
  });

  it("turn problem details into an error that names the fields", async () => {
    answer(422, {
      title: "Invalid",
      detail: "No such number.",
      hint: "Dial with +7.",
      errors: [{ field: "to", message: "unknown" }],
    });
    const error = await get("/calls").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 422, message: "No such number.", hint: "Dial with +7." });
    expect((error as ApiError).fields).toEqual([{ field: "to", message: "unknown" }]);
  });

  it("tell the app when the session is over", async () => {
    answer(401, { title: "Not signed in" });
    const signedOut = vi.fn();
    whenSignedOut(signedOut);
    await expect(get("/calls")).rejects.toThrow();
    expect(signedOut).toHaveBeenCalledOnce();
  });

  it("say that the server is out of reach when nothing answers", async () => {
    vi.stubGlobal("fetch", vi.fn().mockRejectedValue(new TypeError("failed")));
    await expect(get("/calls")).rejects.toMatchObject({ isOffline: true });
  });
});

describe("problems", () => {
  it("show nothing of a body that is not a problem", () => {
    const error = problemFrom(502, "text/html", "<h1>Bad gateway</h1>");
    expect(error.problem).toEqual({});
    expect(problemFrom(500, "application/json", "{broken").problem).toEqual({});
  });
});

describe("live events", () => {
  it("are read from JSON, and anything else is passed over", () => {
    expect(readEvent('{"kind":"call.answered","call_id":"c1","payload":{}}')).toEqual({
      kind: "call.answered",
      callId: "c1",
    });
    for (const text of ["", "{", "null", "[]", '{"call_id":"c1"}', 7]) expect(readEvent(text)).toBeNull();
  });

  it("make the lists stale that they are about", () => {
    expect(staleKeys("leg.held")).toEqual(["calls"]);
    expect(staleKeys("call.ended")).toContain("cdrs");
    expect(staleKeys("hello")).toEqual([]);
  });

  it("are asked for again after pauses that grow up to fifteen seconds", () => {
    expect([0, 1, 2, 5, 20].map(retryDelay)).toEqual([500, 1000, 2000, 15_000, 15_000]);
  });
});
