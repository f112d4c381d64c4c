import { describe, expect, test } from "vitest";
import type { JsonRpcMessage, JsonRpcRequest, RequestId } from "../src/index.js";
import type { JsonRpcNotification, JsonRpcResponse } from "../src/json-rpc.js";
import { WireIds, withWireId } from "../src/session/wire-ids.js";

const request = (id: RequestId, progressToken?: unknown): JsonRpcRequest => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "work", ...(progressToken === undefined ? {} : { _meta: { progressToken, other: 1 } }) },
});
const response = (id: RequestId): JsonRpcResponse => ({ jsonrpc: "2.0", id, result: {} });
const progress = (progressToken: RequestId): JsonRpcNotification => ({
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken, progress: 1 },
});

/** What the SDK's client gets of a message. */
function handedOver(ids: WireIds, message: JsonRpcResponse | JsonRpcNotification): JsonRpcMessage[] {
  const messages: JsonRpcMessage[] = [];
  ids.incoming(message, (restored) => messages.push(restored));
  return messages;
}

describe("ids", () => {
  test.each<RequestId>([0, 7, "7", "", "a b"])("the SDK's id %j comes back with its type", (id) => {
    const ids = new WireIds();
    const wire = ids.outgoing(request(id));
    expect(wire.id).not.toBe(id);
    expect(handedOver(ids, response(wire.id))).toEqual([response(id)]);
  });

  test('0 and "0" in flight at once do not cross', () => {
    const ids = new WireIds();
    const wires = [0, "0"].map((id) => ids.outgoing(request(id)).id);
    expect(wires.map((id) => handedOver(ids, response(id))[0])).toEqual([response(0), response("0")]);
    expect([0, "0"].map((id) => ids.wireIdOf(id))).toEqual(wires);
  });

  test("two lives never mint the same ids, and each is safe in a header and a URL", () => {
    const minted = Array.from({ length: 200 }, () => new WireIds()).flatMap((ids) =>
      Array.from({ length: 5 }, (_, n) => ids.outgoing(request(n)).id),
    );
    expect(new Set(minted).size).toBe(1000);
    for (const id of minted) expect(id).toMatch(/^[a-z0-9-]+$/);
  });

  test("an error without an id, and a response that nobody waits for, are left as they are", () => {
    const ids = new WireIds();
    const error: JsonRpcMessage = { jsonrpc: "2.0", error: { code: 1, message: "x" } };
    expect(handedOver(ids, error)).toEqual([error]);
    expect(handedOver(ids, response(3))).toEqual([response(3)]);
    const wire = ids.outgoing(request(3));
    ids.release(wire.id, false);
    expect(handedOver(ids, response(wire.id))).toEqual([response(wire.id)]);
    expect(ids.wireIdOf(3)).toBeUndefined();
  });

  test("a request without parameters stays without them", () => {
    const wire = new WireIds().outgoing({ jsonrpc: "2.0", id: 1, method: "ping" });
    expect(wire).toEqual({ jsonrpc: "2.0", id: wire.id, method: "ping" });
  });
});

describe("progress tokens", () => {
  test.each<RequestId>([0, 5, "5", "token"])(
    "%j goes out as the id on the wire and comes back with its type",
    (token) => {
      const ids = new WireIds();
      const wire = ids.outgoing(request(1, token));
      expect(wire.params).toEqual({ name: "work", _meta: { progressToken: wire.id, other: 1 } });
      expect(handedOver(ids, progress(wire.id))).toEqual([progress(token)]);
    },
  );

  test("a token that the server made up is left as it is", () => {
    expect(handedOver(new WireIds(), progress("made up"))).toEqual([progress("made up")]);
  });

  test("other notifications are left as they are, whatever they carry", () => {
    const ids = new WireIds();
    const wire = ids.outgoing(request(1, 1));
    const other: JsonRpcMessage = { jsonrpc: "2.0", method: "x", params: { progressToken: wire.id } };
    expect(handedOver(ids, other)).toEqual([other]);
  });

  test("of a task goes on after the response; of any other request it does not", () => {
    const ids = new WireIds();
    const task = ids.outgoing(request(1, 1));
    const plain = ids.outgoing(request(2, 2));
    ids.release(task.id, true);
    ids.release(plain.id, false);
    expect(handedOver(ids, progress(task.id))).toEqual([progress(1)]);
    expect(handedOver(ids, progress(plain.id))).toEqual([progress(plain.id)]);
  });

  test("of tasks are remembered for the newest thousand", () => {
    const ids = new WireIds();
    const wires = Array.from({ length: 1500 }, (_, n) => {
      const { id } = ids.outgoing(request(n, n));
      ids.release(id, true);
      return id;
    });
    const isMapped = (n: number): boolean => {
      const [message] = handedOver(ids, progress(wires[n]!));
      return JSON.stringify(message) === JSON.stringify(progress(n));
    };
    expect([0, 499, 500, 1499].map(isMapped)).toEqual([false, false, true, true]);
  });
});

describe("several requests under one id on the wire", () => {
  test("each get the response and the progress that they asked for", () => {
    const ids = new WireIds();
    ids.adopt("earlier-0", request(4, 4));
    ids.adopt("earlier-0", request("b"));
    expect(handedOver(ids, response("earlier-0"))).toEqual([response(4), response("b")]);
    expect(handedOver(ids, progress("earlier-0"))).toEqual([progress(4)]);
  });

  test("progress that none of them asked for goes nowhere", () => {
    const ids = new WireIds();
    ids.adopt("earlier-0", request(4));
    expect(handedOver(ids, progress("earlier-0"))).toEqual([]);
  });

  test("are given up one by one; the last one tells", () => {
    const ids = new WireIds();
    ids.adopt("earlier-0", request(4));
    ids.adopt("earlier-0", request(5));
    expect(ids.drop("earlier-0", 4)).toBe(false);
    expect(handedOver(ids, response("earlier-0"))).toEqual([response(5)]);
    expect(ids.wireIdOf(4)).toBeUndefined();
    expect(ids.drop("earlier-0", 5)).toBe(true);
  });
});

test("a saved request goes out as it did the first time", () => {
  const ids = new WireIds();
  const wire = ids.outgoing(request(3, 3));
  expect(withWireId(request("whatever", 3), wire.id)).toEqual(wire);
  expect(withWireId(request(3), "w").params).toEqual({ name: "work" });
});
