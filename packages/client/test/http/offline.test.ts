import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { event, json, note, type Received, resultOf, scriptedServer, sse } from "../support/msw-server.js";
import { openTransport } from "../support/open-transport.js";

const server = scriptedServer();
/** What a page's `window` is to the transport. */
let page = new EventTarget();
const navigator = { onLine: true };

beforeEach(() => {
  page = new EventTarget();
  navigator.onLine = true;
  vi.stubGlobal("navigator", navigator);
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
});
afterEach(() => void vi.unstubAllGlobals());

const setOnline = (onLine: boolean): void => {
  navigator.onLine = onLine;
  page.dispatchEvent(new Event(onLine ? "online" : "offline"));
};
const calls = (): readonly Received[] => server.calls().filter(({ method }) => method === "POST");

describe("a browser that says it is offline", () => {
  it("has a call wait until it is online again, and shows that it waits", async () => {
    server.play({ onCall: (request) => json(resultOf(request)) });
    const { call, messages, transport } = await openTransport();
    setOnline(false);
    const done = call("tools/call", { name: "launch" });
    await vi.waitFor(() => expect(transport.status).toEqual({ state: "offline" }));
    expect(calls()).toEqual([]);
    setOnline(true);
    await done;
    expect(calls()).toHaveLength(1);
    expect(messages).toHaveLength(1);
    expect(transport.status).toEqual({ state: "live" });
  });

  it("has a broken call resume at once when it is online again", async () => {
    let request: Received | undefined;
    server.play({
      onCall(received) {
        request = received;
        setOnline(false);
        return sse([event({ id: "1", data: note(1) })], "cut");
      },
      onResume: () => sse([event({ id: "2", data: resultOf(request ?? { message: undefined }) })]),
    });
    const { call, notes, told, transport } = await openTransport();
    const done = call("tools/call", { name: "count" });
    await vi.waitFor(() => expect(transport.status).toEqual({ state: "offline" }));
    setOnline(true);
    await done;
    expect(notes()).toEqual([1]);
    expect(told("resumed")).toMatchObject([{ stream: { method: "tools/call" }, attempts: 1 }]);
  });

  it("is not believed where the server is on the same machine", async () => {
    navigator.onLine = false;
    const open = openTransport({ fetch: answerInitialize }, "http://localhost:1/mcp");
    expect((await open).transport.status).toEqual({ state: "live" });
  });
});

/** A server on this machine that knows the handshake. */
const answerInitialize: typeof fetch = (_url, init) => {
  const text = typeof init?.body === "string" ? init.body : "";
  if (!text.includes('"initialize"'))
    return Promise.resolve(new Response(null, { status: text === "" ? 405 : 202 }));
  const { id } = JSON.parse(text) as { readonly id: string };
  const result = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    serverInfo: { name: "near", version: "1" },
  };
  return Promise.resolve(json({ jsonrpc: "2.0", id, result }));
};
