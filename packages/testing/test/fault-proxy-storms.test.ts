import { describe, expect, it, vi } from "vitest";
import {
  get,
  post,
  proxyTo,
  quietStream,
  rawClient,
  targetServer,
  wholeBody,
} from "./fault-proxy-fixtures.js";

describe("storms", () => {
  it("reset what is open, answer each request with an error, and pass", async () => {
    const target = await targetServer(quietStream);
    const proxy = await proxyTo(target, [
      { kind: "storms", everyMs: 1500, lastingMs: 1000, retryAfterSeconds: 7 },
    ]);
    const open = rawClient(proxy);
    open.send(get());
    expect(await open.ended).toBe("reset");
    expect(proxy.log.at(-1)).toMatchObject({ type: "cut", cause: "storms", request: { isStream: true } });
    const answer = await fetch(proxy.url);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "7"]);
    expect(proxy.log.findLast((event) => event.type === "answered")).toMatchObject({
      cause: "storms",
      status: 503,
    });
    expect(target.requests).toHaveLength(1);
    const passes = async () => {
      const later = await fetch(proxy.url);
      void later.body?.cancel();
      expect(later.status).toBe(200);
    };
    await vi.waitFor(passes, { timeout: 10_000 });
  });

  it("are over when the weather changes, for a connection that came in the midst of one too", async () => {
    const target = await targetServer(wholeBody(5));
    const proxy = await proxyTo(target, [{ kind: "storms", everyMs: 10_000, lastingMs: 9_990, status: 500 }]);
    await vi.waitFor(() => expect(proxy.refusedMs).toBeGreaterThan(0));
    const early = rawClient(proxy);
    await expect.poll(() => proxy.connections).toBe(1);
    expect((await fetch(proxy.url)).status).toBe(500);
    proxy.setWeather([]);
    early.send(post());
    await vi.waitFor(() => expect(early.received()).toContain("200 OK"));
  });
});

describe("the time in which nothing gets through", () => {
  it("is counted over outages and storms, those that overlap once, and over changes of the weather", async () => {
    const target = await targetServer(quietStream);
    const proxy = await proxyTo(target, [{ kind: "kills", meanIntervalMs: 1000 }]);
    const startMs = performance.now();
    expect(proxy.refusedMs).toBe(0);
    proxy.setWeather([
      { kind: "outages", everyMs: 60_000, lastingMs: 59_990 },
      { kind: "storms", everyMs: 60_000, lastingMs: 59_980 },
    ]);
    await vi.waitFor(() => expect(proxy.refusedMs).toBeGreaterThan(100));
    expect(proxy.refusedMs).toBeLessThan(performance.now() - startMs);
    proxy.setWeather([{ kind: "offline" }]);
    const before = proxy.refusedMs;
    await vi.waitFor(() => expect(proxy.refusedMs).toBeGreaterThan(before + 20));
    proxy.setWeather([]);
    const after = proxy.refusedMs;
    await vi.waitFor(() => expect(performance.now() - startMs).toBeGreaterThan(after + 20));
    expect(proxy.refusedMs).toBe(after);
  });
});

describe("a fault with `every`", () => {
  it("strikes each so-manieth of the requests that it is for, on whatever connections they come", async () => {
    const target = await targetServer(wholeBody(2000));
    const proxy = await proxyTo(target, [
      { kind: "cuts", afterBytes: { min: 10, max: 10 }, on: ["resume"], every: 3 },
    ]);
    const outcomes: boolean[] = [];
    for (let round = 0; round < 7; round += 1) {
      await (await fetch(proxy.url)).text();
      const resumed = fetch(proxy.url, { headers: { "Last-Event-ID": "1" } });
      outcomes.push(
        await resumed.then(
          async (answer) => (await answer.text()).length === 2000,
          () => false,
        ),
      );
    }
    expect(outcomes).toEqual([true, true, false, true, true, false, true]);
    proxy.setWeather([{ kind: "cuts", afterBytes: { min: 10, max: 10 }, every: 2 }]);
    expect((await fetch(proxy.url)).ok).toBe(true);
    await expect(fetch(proxy.url)).rejects.toThrow();
  });
});
