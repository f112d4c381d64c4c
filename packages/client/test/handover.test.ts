import { describe, expect, test, vi } from "vitest";
import { ResumeError } from "../src/index.js";
import { Handover } from "../src/calls/handover.js";
import type { JsonRpcMessage } from "../src/json-rpc.js";
import { type Origin, Session } from "../src/session/session.js";

const progress = (n: number): JsonRpcMessage => ({
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken: "w-0", progress: n },
});
const RESULT: JsonRpcMessage = { jsonrpc: "2.0", id: "w-0", result: { value: "done" } };
const NOTE: JsonRpcMessage = { jsonrpc: "2.0", method: "notifications/message", params: { data: "x" } };

function start(maxQueued = 100) {
  const cancel = vi.fn();
  const onFailed = vi.fn();
  const onClaim = vi.fn();
  const onError = vi.fn();
  const told = { cancel, onClaim, onFailed, onError };
  const forwarded: JsonRpcMessage[] = [];
  const handled: string[] = [];
  const call = new Handover(
    {
      entry: { id: "w-0", method: "tools/call", params: {} },
      maxQueued,
      onHanded: ({ messages }) =>
        handled.push(messages.map((m) => ("method" in m ? m.params?.progress : "answer")).join()),
      ...told,
    },
    (message) => forwarded.push(message),
  );
  const abort = new AbortController();
  const origin: Origin = {
    stream: { id: "w-0", method: "tools/call" },
    session: new Session(),
    eventId: undefined,
  };
  const offer = (...messages: readonly JsonRpcMessage[]): Promise<void> | undefined =>
    call.offer({ ...origin, messages, isLast: messages.includes(RESULT) }, abort.signal);
  return { call, offer, forwarded, handled, abort, ...told };
}

describe("before it is claimed", () => {
  test("everything waits, and nothing counts as handled", async () => {
    const { call, offer, forwarded, handled } = start();
    expect(offer(progress(1))).toBeUndefined();
    expect(offer(NOTE, RESULT)).toBeUndefined();
    await Promise.resolve();
    expect([forwarded, handled]).toEqual([[], []]);
    expect(call.isClaimed).toBe(false);
  });

  test("nobody is told of a claim; afterwards once", async () => {
    const { call, onClaim } = start();
    expect(onClaim).not.toHaveBeenCalled();
    call.onprogress = () => undefined;
    void call.result;
    expect(onClaim).toHaveBeenCalledOnce();
  });

  test("reading stops at the limit, and goes on with the claim", async () => {
    const { call, offer } = start(3);
    expect(offer(progress(1))).toBeUndefined();
    expect(offer(progress(2))).toBeUndefined();
    const room = vi.fn();
    const full = offer(progress(3));
    expect(full).toBeInstanceOf(Promise);
    void full!.then(room);
    await Promise.resolve();
    expect(room).not.toHaveBeenCalled();
    call.onprogress = () => undefined;
    await full;
    expect(offer(progress(4))).toBeUndefined();
  });

  test("a stream that is aborted is not held", async () => {
    const { offer, abort } = start(1);
    const full = offer(progress(1));
    abort.abort();
    await full;
  });
});

describe("claiming", () => {
  test.each(["result first", "onprogress first"])("gives all that waited, in order: %s", async (order) => {
    const { call, offer, forwarded, handled } = start();
    void offer(progress(1));
    void offer(NOTE);
    void offer(progress(2));
    void offer(RESULT);
    const seen: unknown[] = [];
    if (order === "result first") void call.result;
    call.onprogress = (params) => seen.push(params.progress);
    expect(await call.result).toEqual({ value: "done" });
    expect(seen).toEqual([1, 2]);
    expect(forwarded).toEqual([NOTE]);
    expect(handled).toEqual(["1", "", "2", "answer"]);
    expect(call.isOver).toBe(true);
  });

  test("by a request of this life gives that everything too", async () => {
    const { call, offer, forwarded } = start();
    void offer(progress(1));
    void offer(RESULT);
    expect(await call.attach()).toEqual({ value: "done" });
    expect(forwarded).toEqual([progress(1), RESULT]);
  });

  test("progress of another call is passed on", async () => {
    const { call, offer, forwarded } = start();
    const other = { ...progress(1), params: { progressToken: "another", progress: 1 } };
    const seen = vi.fn();
    call.onprogress = seen;
    void offer(other);
    await Promise.resolve();
    expect(forwarded).toEqual([other]);
    expect(seen).not.toHaveBeenCalled();
  });
});

describe("a stream that failed", () => {
  const error = new ResumeError("cursor-lost", "lost");

  test("before the claim keeps its entry until the app has learnt of it", async () => {
    const { call, offer, onFailed } = start();
    void offer(progress(1));
    call.fail(error);
    await Promise.resolve();
    expect(onFailed).not.toHaveBeenCalled();
    const seen: unknown[] = [];
    call.onprogress = (params) => seen.push(params.progress);
    await expect(call.result).rejects.toBe(error);
    expect(seen).toEqual([1]);
    expect(onFailed).toHaveBeenCalledTimes(1);
    expect(call.isOver).toBe(true);
  });

  test("and is given up unclaimed rejects as cancelled: nobody has learnt of the earlier failure", async () => {
    const { call, offer, cancel, onFailed } = start();
    void offer(progress(1));
    call.fail(error);
    const cancelled = new ResumeError("closed", "The call was cancelled");
    cancel.mockImplementation(() => call.fail(cancelled));
    call.cancel();
    await expect(call.result).rejects.toBe(cancelled);
    expect(onFailed).toHaveBeenCalledTimes(1);
  });

  test("after the claim rejects at once", async () => {
    const { call, onFailed } = start();
    const { result } = call;
    result.catch(() => undefined);
    call.fail(error);
    await expect(result).rejects.toBe(error);
    expect(onFailed).toHaveBeenCalledTimes(1);
  });
});

test("an error without an id is the answer on a stream of its own", async () => {
  const { call, offer } = start();
  void offer({ jsonrpc: "2.0", error: { code: -1, message: "no" } });
  await expect(call.result).rejects.toMatchObject({ code: "server", cause: { code: -1 } });
});

test("a listener that throws is reported, and loses nothing of what comes after", async () => {
  const { call, offer, onError } = start();
  const seen: unknown[] = [];
  void offer(progress(1));
  void offer(progress(2), RESULT);
  call.onprogress = ({ progress: n }) => {
    seen.push(n);
    throw new Error("the app's own");
  };
  expect(await call.result).toEqual({ value: "done" });
  expect(seen).toEqual([1, 2]);
  expect(onError.mock.calls).toMatchObject([[{ message: "the app's own" }], [{ message: "the app's own" }]]);
});

test("an error that does not say which request it answers reaches the request that shares in the call", async () => {
  const { call, offer, forwarded } = start();
  call.attach().catch(() => undefined);
  const error = { code: -32_603, message: "no" };
  void offer({ jsonrpc: "2.0", error });
  await Promise.resolve();
  expect(forwarded).toEqual([{ jsonrpc: "2.0", id: "w-0", error }]);
});

test("a claim after the end of this life fails, and brings nothing that the next life will bring", async () => {
  const { call, offer, forwarded, handled } = start();
  void offer(progress(1), NOTE);
  call.end(new ResumeError("closed", "over"));
  const seen = vi.fn();
  call.onprogress = seen;
  await expect(call.result).rejects.toMatchObject({ code: "closed" });
  expect([seen.mock.calls, forwarded, handled]).toEqual([[], [], []]);
});
