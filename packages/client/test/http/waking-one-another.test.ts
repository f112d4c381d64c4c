import { describe, expect, it, vi } from "vitest";
import {
  event,
  json,
  note,
  resultOf,
  type Received,
  scriptedServer,
  sse,
  status,
} from "../support/msw-server.js";
import { openTransport } from "../support/open-transport.js";

const server = scriptedServer();

/** A call whose resumes are refused until it waits for half a minute; other calls are answered at once. */
async function waitingCall(refusal: () => Response) {
  let isBack = false;
  let jitter = 0;
  let first: Received | undefined;
  let resumes = 0;
  server.play({
    onCall(request) {
      if (first !== undefined) return json(resultOf(request));
      first = request;
      return sse([event({ id: "1", data: note(1) })], "cut");
    },
    onResume() {
      resumes += 1;
      if (isBack) return sse([event({ id: "2", data: resultOf(first ?? { message: undefined }) })]);
      // The waits double from half a second; without jitter they take no time.
      if (resumes === 10) jitter = 0.999;
      return refusal();
    },
  });
  const { call, transport } = await openTransport({ random: () => jitter });
  const done = call("tools/call", { name: "count" });
  // A call that still waits when its test is over fails with its transport.
  done.catch(() => undefined);
  await vi.waitFor(() => {
    const { status } = transport;
    if (status.state !== "waiting" || status.retryAt < Date.now() + 20_000)
      throw new Error("It does not wait");
  });
  return { call, done, transport, back: () => (isBack = true), resumes: () => resumes };
}

describe("a stream that waits for its next attempt", () => {
  it("is woken when another request of the transport gets through", async () => {
    const { back, call, done, resumes, transport } = await waitingCall(() => status(503));
    const before = resumes();
    back();
    const dueAt = transport.status.state === "waiting" ? transport.status.retryAt : 0;
    await call("tools/list");
    await done;
    expect(Date.now()).toBeLessThan(dueAt - 10_000);
    expect(resumes()).toBe(before + 1);
    expect(transport.status).toEqual({ state: "live" });
  });

  it("is not woken before the time that the server asked for", async () => {
    const { call, resumes } = await waitingCall(() => status(503, { "Retry-After": "30" }));
    const before = resumes();
    for (let n = 0; n < 20; n += 1) await call("tools/list");
    expect(resumes()).toBe(before);
  });
});
