import { describe, expect, it, vi } from "vitest";
import type { AuthProvider } from "../src/options.js";
import { sse, status } from "./support/msw-server.js";
import { GET, open } from "./support/one-request.js";

describe("credentials", () => {
  const provider = (tokens: readonly string[], onUnauthorized?: AuthProvider["onUnauthorized"]) => {
    let given = 0;
    const token = vi.fn(() => tokens[Math.min(given++, tokens.length - 1)]);
    return { token, ...(onUnauthorized && { onUnauthorized }) };
  };

  it("are asked for anew for each HTTP request", async () => {
    const authProvider = provider(["one", "two"]);
    const first = await open([sse([])], { authProvider });
    const second = await open([sse([])], { authProvider, request: GET });
    expect([first, second].map(({ sent }) => sent[0]?.headers.get("Authorization"))).toEqual([
      "Bearer one",
      "Bearer two",
    ]);
  });

  it("are not sent when there are none", async () => {
    const { sent } = await open([sse([])], { authProvider: { token: () => undefined } });
    expect(sent[0]?.headers.has("Authorization")).toBe(false);
  });

  it.each([401, 403])("are renewed once after a %i, and the request is made again", async (code) => {
    const onUnauthorized = vi.fn();
    const refusal = status(code, { "WWW-Authenticate": "Bearer" });
    const { opened, sent } = await open([refusal, sse([])], {
      authProvider: provider(["old", "new"], onUnauthorized),
    });
    expect(opened.kind).toBe("events");
    expect(sent.map(({ headers }) => headers.get("Authorization"))).toEqual(["Bearer old", "Bearer new"]);
    expect(onUnauthorized).toHaveBeenCalledExactlyOnceWith(refusal, "old");
  });

  it.each([
    ["a person may take", 10 * 60_000, "events", 1],
    ["nobody takes: they cannot be had", 31 * 60_000, "refused", 1],
  ])(
    "are waited for as long as %s, and asked for once, not again and again",
    async (_name, ms, kind, times) => {
      vi.useFakeTimers();
      try {
        const onUnauthorized = vi.fn(() => new Promise<void>((resolve) => void setTimeout(resolve, ms)));
        const opening = open([status(401), sse([])], {
          request: GET,
          authProvider: provider(["t"], onUnauthorized),
        });
        await vi.runAllTimersAsync();
        expect((await opening).opened.kind).toBe(kind);
        expect(onUnauthorized).toHaveBeenCalledTimes(times);
      } finally {
        vi.useRealTimers();
      }
    },
  );

  it("are renewed no second time", async () => {
    const onUnauthorized = vi.fn();
    const { opened, sent } = await open([status(401), status(401)], {
      authProvider: provider(["t"], onUnauthorized),
    });
    expect(opened).toMatchObject({ kind: "refused", status: 401 });
    expect(sent).toHaveLength(2);
    expect(onUnauthorized).toHaveBeenCalledOnce();
  });

  it("are renewed once more when the renewed ones lack a scope", async () => {
    const onUnauthorized = vi.fn<NonNullable<AuthProvider["onUnauthorized"]>>();
    const { opened, sent } = await open([status(401), status(403), sse([])], {
      authProvider: provider(["old", "narrow", "wide"], onUnauthorized),
    });
    expect(opened.kind).toBe("events");
    expect(sent).toHaveLength(3);
    expect(onUnauthorized.mock.calls.map(([response, token]) => [response.status, token])).toEqual([
      [401, "old"],
      [403, "narrow"],
    ]);
  });

  it("that cannot be renewed make the first refusal the answer, with the reason", async () => {
    const cause = new Error("The user closed the window");
    const { opened, sent } = await open([status(401)], {
      authProvider: provider(["t"], () => Promise.reject(cause)),
    });
    expect(opened).toMatchObject({ kind: "refused", status: 401, cause });
    expect(sent).toHaveLength(1);
  });

  it("that cannot be had mean that nothing was sent", async () => {
    const cause = new Error("The token endpoint is out of reach");
    const authProvider = { token: () => Promise.reject(cause) };
    const { opened, sent } = await open([], { authProvider });
    expect(opened).toEqual({ kind: "unreachable", unsent: true, cause });
    expect(sent).toHaveLength(0);
  });

  it.each(["sec\nret", "sec ret", "", "schlüssel"])(
    "that no header can carry (%j) count as refused, and nobody gets to see them",
    async (token) => {
      const onUnauthorized = vi.fn();
      const { opened, sent } = await open([], { authProvider: { token: () => token, onUnauthorized } });
      expect(opened).toMatchObject({ kind: "refused", status: 401 });
      const { cause } = opened as { readonly cause?: Error };
      expect(cause?.message).toMatch(/^token\(\) returned something else than visible ASCII/);
      expect(onUnauthorized.mock.calls.map(([, refused]: unknown[]) => refused)).toEqual([token]);
      expect(sent).toHaveLength(0);
    },
  );

  it("that no header can carry are renewed as others are", async () => {
    const { sent } = await open([sse([])], { authProvider: provider(["a\nb", "fine"], () => undefined) });
    expect(sent.map(({ headers }) => headers.get("Authorization"))).toEqual(["Bearer fine"]);
  });

  it("may end with a line end, as those that were read from a file", async () => {
    const { sent } = await open([sse([])], { authProvider: provider(["t1\n"]) });
    expect(sent.map(({ headers }) => headers.get("Authorization"))).toEqual(["Bearer t1"]);
  });

  it("that were refused, and no others could be had, mean that nothing was executed", async () => {
    let asked = 0;
    const token = () => (++asked === 1 ? Promise.resolve("t") : Promise.reject(new Error("no network")));
    const { opened } = await open([status(401)], {
      authProvider: { token, onUnauthorized: () => undefined },
    });
    expect(opened).toMatchObject({ kind: "unreachable", unsent: true });
  });

  it("that are refused without a provider are a refusal like others", async () => {
    expect((await open([status(403)])).opened).toMatchObject({ kind: "refused", status: 403 });
  });
});
