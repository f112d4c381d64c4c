import assert from "node:assert/strict";
import { assertFailsWith, keep, type LogTest } from "./fixture.js";

export function closingTests(test: LogTest): void {
  test("refuses every call after close", async ({ log }) => {
    await log.append("stream", "event", keep());
    await log.close();
    await assertFailsWith("closed", () => log.append("stream", "late", keep()));
    await assertFailsWith("closed", () => log.read("stream", 0, 10));
    await assertFailsWith("closed", () => log.subscribe("stream", () => undefined));
    await assertFailsWith("closed", () => log.end("stream"));
    await assertFailsWith("closed", () => log.delete("stream"));
  });

  test("closes twice without harm", async ({ log }) => {
    await log.close();
    await log.close();
    await assertFailsWith("closed", () => log.read("stream", 0, 10));
  });

  test("settles every call that was made before close", async ({ log }) => {
    const calls = [
      ...Array.from({ length: 20 }, (_, index) => log.append("stream", `event ${index}`, keep())),
      log.read("stream", 0, 10),
      log.end("stream"),
      log.delete("stream"),
    ];
    await log.close();
    // A call either took effect or says that the log was closed; none hangs, none fails in another way.
    for (const result of await Promise.allSettled(calls)) {
      if (result.status === "fulfilled") continue;
      const reason: unknown = result.reason;
      assert.ok(reason instanceof Error && "code" in reason && reason.code === "closed", String(reason));
    }
  });

  test("takes an unsubscribe after close", async ({ log }) => {
    const unsubscribe = log.subscribe("stream", () => undefined);
    await log.close();
    unsubscribe();
  });
}
