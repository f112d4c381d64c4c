import { describe, expect, it } from "vitest";
import type { ResumableTransportOptions } from "../../src/options.js";
import {
  type BodyEnd,
  event,
  note,
  type Received,
  resultOf,
  scriptedServer,
  sse,
  status,
} from "../support/msw-server.js";
import { failureOf, openTransport, type OpenTransport } from "../support/open-transport.js";

const server = scriptedServer();
const RESULT = { jsonrpc: "2.0", id: 1, result: { value: "done" } };

type Parts = (request: Received) => readonly (string | Uint8Array)[];

/** Makes one call whose connections bring these parts, one list after the other; resumes are counted by cursor. */
async function callOver(
  connections: readonly Parts[],
  options: Partial<ResumableTransportOptions> = {},
  end: BodyEnd = "close",
): Promise<OpenTransport & { readonly call1: Promise<void>; readonly cursors: () => readonly unknown[] }> {
  let count = 0;
  let first: Received | undefined;
  const next = (received: Received): Response => {
    first ??= received;
    const parts = connections[count++];
    return parts === undefined ? status(410) : sse(parts(first), end);
  };
  server.play({ onCall: next, onResume: next });
  const open = await openTransport(options);
  const call1 = open.call("tools/call", { name: "count" });
  call1.catch(() => undefined);
  const cursors = (): readonly unknown[] =>
    server.received.filter(({ lastEventId }) => lastEventId !== null).map(({ lastEventId }) => lastEventId);
  return { ...open, call1, cursors };
}

const last = (request: Received, id = "last"): string => event({ id, data: resultOf(request) });

describe("a server that sends", () => {
  it("10 000 events in one chunk has each delivered, in order", async () => {
    const numbers = Array.from({ length: 10_000 }, (_, n) => n);
    const text = numbers.map((n) => event({ id: String(n), data: note(n) })).join("");
    const { call1, notes, messages } = await callOver([(request) => [text + last(request)]]);
    await call1;
    expect(notes()).toEqual(numbers);
    expect(messages.at(-1)).toEqual(RESULT);
  });

  it("an endless line ends the call with `protocol`, and what came before it was delivered", async () => {
    const parts = [
      event({ id: "1", data: note(1) }),
      ...Array.from({ length: 99 }, () => "data: x".repeat(30)),
    ];
    const { call1, cursors, notes } = await callOver([() => parts], { maxMessageLength: 1000 }, "stall");
    expect(await failureOf(call1)).toMatchObject({
      code: "protocol",
      maybeExecuted: true,
      cause: { message: "An event is larger than 1000 characters" },
    });
    expect([notes(), cursors()]).toEqual([[1], []]);
  });

  it.each([
    ["no JSON", "{not json"],
    ["no JSON-RPC", '{"hello":"world"}'],
    ["JSON-RPC 1.0", '{"id":1,"method":"x","params":[]}'],
    ["a number", "7"],
    ["a batch with something else in it", '[{"jsonrpc":"2.0","method":"a"},7]'],
  ])("an event that is %s has it left out and reported, and the call goes on", async (_name, data) => {
    const { call1, errors, messages } = await callOver([
      (request) => [event({ id: "1", data: note(1) }), event({ id: "2", data }), last(request)],
    ]);
    await call1;
    expect(messages).toEqual([note(1), RESULT]);
    expect(errors).toMatchObject([{ code: "protocol" }]);
  });

  it("an event that is no JSON does not get it again: the cursor has moved past it", async () => {
    const { call1, cursors, errors } = await callOver([
      () => [event({ id: "1", data: "{not json" })],
      (request) => [last(request)],
    ]);
    await call1;
    expect([cursors(), errors.length]).toEqual([["1"], 1]);
  });

  it("a response to nobody's request has it handed to the client, and the call goes on", async () => {
    const stray = { jsonrpc: "2.0", id: "nobody", result: { value: "stray" } } as const;
    const { call1, messages } = await callOver([
      (request) => [event({ id: "1", data: stray }), last(request)],
    ]);
    await call1;
    expect(messages).toEqual([stray, RESULT]);
  });

  it("events of a type that is not `message` has only their ids noticed", async () => {
    const { call1, cursors, messages } = await callOver([
      () => [
        event({ id: "1", event: "ping", data: note(1) }),
        event({ id: "2", event: "message", data: note(2) }),
      ],
      (request) => [event({ id: "3", event: "prime", data: "" }), last(request)],
    ]);
    await call1;
    expect([messages, cursors()]).toEqual([[note(2), RESULT], ["2"]]);
  });

  it("the same message twice has it delivered once, on one connection and over two", async () => {
    const one = event({ id: "1", data: note(1) });
    const two = event({ id: "2", data: note(2) });
    const { call1, notes } = await callOver([() => [one, one, two], (request) => [one, two, last(request)]]);
    await call1;
    expect(notes()).toEqual([1, 2]);
  });

  it("ids that go backwards has each message delivered, and resumes after the last one read", async () => {
    const { call1, cursors, notes } = await callOver([
      () => [
        event({ id: "9", data: note(1) }),
        event({ id: "8", data: note(2) }),
        event({ id: "9", data: note(1) }),
      ],
      (request) => [event({ id: "7", data: note(3) }), last(request)],
    ]);
    await call1;
    expect([notes(), cursors()]).toEqual([[1, 2, 3], ["8"]]);
  });

  it("a message under the id of its priming event has it delivered", async () => {
    const { call1, cursors, notes } = await callOver([
      () => [event({ id: "0/7", data: "" })],
      (request) => [event({ id: "0/7", data: note(1) }), last(request, "1/7")],
    ]);
    await call1;
    expect([notes(), cursors()]).toEqual([[1], ["0/7"]]);
  });

  it("ids that are not ASCII is asked to go on from them, in UTF-8", async () => {
    const { call1, cursors, notes } = await callOver([
      () => [event({ id: "é-日本-😀", data: note(1) })],
      (request) => [event({ id: "ü", data: note(2) }), last(request)],
    ]);
    await call1;
    expect(notes()).toEqual([1, 2]);
    expect(cursors().map((cursor) => Buffer.from(String(cursor), "latin1").toString("utf8"))).toEqual([
      "é-日本-😀",
    ]);
  });

  it.each([
    ["with control characters", "a\u0001b"],
    ["of 64 kB", "x".repeat(65_536)],
  ])(
    "ids %s cannot be resumed, and the call says so instead of getting messages twice",
    async (_name, id) => {
      const { call1, cursors, notes } = await callOver([
        () => [event({ id: "1", data: note(1) }), event({ id, data: note(2) })],
      ]);
      expect(await failureOf(call1)).toMatchObject({ code: "interrupted", maybeExecuted: true });
      expect([notes(), cursors()]).toEqual([[1, 2], []]);
    },
  );

  it("such an id in the middle can be resumed after the next good one", async () => {
    const { call1, cursors, notes } = await callOver([
      () => [event({ id: "a\u0001b", data: note(1) }), event({ id: "2", data: note(2) })],
      (request) => [last(request)],
    ]);
    await call1;
    expect([notes(), cursors()]).toEqual([[1, 2], ["2"]]);
  });

  it("an id without data is not taken at it, and nothing is lost or doubled by that", async () => {
    const { call1, cursors, notes } = await callOver([
      () => [event({ id: "1", data: note(1) }), event({ id: "2" })],
      (request) => [event({ id: "3", data: note(3) }), last(request)],
    ]);
    await call1;
    expect([notes(), cursors()]).toEqual([[1, 3], ["1"]]);
  });

  it("events in chunks that cut characters and line ends has them whole", async () => {
    const text = event({ id: "é", data: note(1) })
      .replaceAll("\n", "\r\n")
      .replace('"data":1', '"data":"日😀"');
    const bytes = [...new TextEncoder().encode(text)].map((byte) => Uint8Array.of(byte));
    const { call1, notes } = await callOver([(request) => [...bytes, last(request)]]);
    await call1;
    expect(notes()).toEqual(["日😀"]);
  });

  it("more after the response has it ignored", async () => {
    const { call1, messages } = await callOver([
      (request) => [last(request), event({ id: "2", data: note(2) }), last(request)],
    ]);
    await call1;
    expect(messages).toEqual([RESULT]);
  });
});
