import { expect, test } from "vitest";
import { combineStatus } from "../src/stream/task.js";

const live = { state: "live" } as const;
const offline = { state: "offline" } as const;
const waiting = (retryAt: number) => ({ state: "waiting", attempt: 1, retryAt }) as const;

test("no stream at all, and streams that live, are live", () => {
  expect(combineStatus([])).toEqual(live);
  expect(combineStatus([live, live])).toEqual(live);
});

test("one that waits counts before those that live; of several, the one that is due first", () => {
  expect(combineStatus([live, waiting(20), waiting(10), waiting(30), live])).toEqual(waiting(10));
});

test("offline counts before all", () => {
  expect(combineStatus([waiting(10), live, offline, waiting(5)])).toEqual(offline);
});
