import { describe, expect, it } from "vitest";
import type { JsonRpcMessage, JsonRpcRequest, Params } from "../src/json-rpc.js";
import { Resendable } from "../src/calls/resendable.js";

const request = (method: string, params?: Params): JsonRpcRequest => ({
  jsonrpc: "2.0",
  id: 1,
  method,
  ...(params && { params }),
});
const callOf = (name: string): JsonRpcRequest => request("tools/call", { name, arguments: {} });
const listing = (...tools: readonly unknown[]): JsonRpcMessage => ({
  jsonrpc: "2.0",
  id: 1,
  result: { tools },
});

/** Knows what these pages of `tools/list` said. */
function knowing(...pages: readonly JsonRpcMessage[]): Resendable {
  const resendable = new Resendable();
  for (const page of pages) resendable.learn(request("tools/list"), page);
  return resendable;
}

describe("Resendable", () => {
  it.each([
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
  ])("lets %s run twice", (method) => {
    expect(new Resendable().has(request(method))).toBe(true);
  });

  it.each(["tools/call", "tasks/cancel", "sampling/createMessage", "acme/launch", "TOOLS/LIST", ""])(
    "lets %j run once",
    (method) => {
      expect(new Resendable().has(request(method, { name: "launch" }))).toBe(false);
    },
  );

  it("lets a tool run twice that the server annotates as read-only or idempotent", () => {
    const resendable = knowing(
      listing(
        { name: "look", annotations: { readOnlyHint: true } },
        { name: "put", annotations: { readOnlyHint: false, idempotentHint: true } },
        { name: "launch", annotations: { readOnlyHint: false, destructiveHint: true } },
        { name: "plain" },
      ),
    );
    expect(["look", "put", "launch", "plain", "unheard"].map((name) => resendable.has(callOf(name)))).toEqual(
      [true, true, false, false, false],
    );
  });

  it("keeps what earlier pages said, and believes the last word", () => {
    const harmless = { name: "a", annotations: { readOnlyHint: true } };
    const resendable = knowing(
      listing(harmless),
      listing({ name: "b", annotations: { idempotentHint: true } }),
    );
    expect([resendable.has(callOf("a")), resendable.has(callOf("b"))]).toEqual([true, true]);
    resendable.learn(request("tools/list"), listing({ name: "a" }));
    expect(resendable.has(callOf("a"))).toBe(false);
  });

  it.each([
    ["an error", { jsonrpc: "2.0", id: 1, error: { code: -32_603, message: "no" } }],
    ["no list", { jsonrpc: "2.0", id: 1, result: {} }],
    ["tools that are no objects", listing(null, 7, "look")],
    ["a tool without a name", listing({ annotations: { readOnlyHint: true } })],
    ["annotations that are no object", listing({ name: "look", annotations: true })],
    ["hints that are no booleans", listing({ name: "look", annotations: { readOnlyHint: "yes" } })],
  ] as const)("learns nothing from %s", (_name, answer) => {
    expect(knowing(answer).has(callOf("look"))).toBe(false);
  });

  it("learns nothing from the answer to another request", () => {
    const resendable = new Resendable();
    resendable.learn(request("tools/call"), listing({ name: "look", annotations: { readOnlyHint: true } }));
    expect(resendable.has(callOf("look"))).toBe(false);
  });

  it("lets a tool call without a name run once", () => {
    expect(new Resendable().has(request("tools/call"))).toBe(false);
    expect(knowing(listing({ name: "7" })).has(request("tools/call", { name: 7 }))).toBe(false);
  });
});
