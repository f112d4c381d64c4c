import { ResumeError } from "@resumable-mcp/client";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { reset } from "../src/fault-proxy/connection.js";
import { faultProxy, type FaultProxyOptions, type ProxyEvent, type Weather } from "../src/fault-proxy.js";
import {
  endlessStream,
  get,
  post,
  proxyTo,
  rawClient,
  targetServer,
  wholeBody,
} from "./fault-proxy-fixtures.js";

describe("close", () => {
  it("leaves no socket, server or timer behind, whatever the weather and the connections", async () => {
    const target = await targetServer(endlessStream);
    const handles = () =>
      process.getActiveResourcesInfo().filter((name) => /^(TCP|Timeout)/.test(name)).length;
    const before = handles();
    const proxy = await faultProxy({
      target: target.url,
      seed: 3,
      weather: [
        { kind: "kills", meanIntervalMs: 100_000 },
        { kind: "lifetimes", meanMs: 100_000 },
        { kind: "outages", everyMs: 100_000, lastingMs: 50_000 },
        { kind: "storms", everyMs: 100_000, lastingMs: 50_000 },
        { kind: "latency", ms: 30 },
        { kind: "trickle", bytesPerSecond: 100, on: ["resume"] },
      ],
    });
    const clients = [rawClient(proxy), rawClient(proxy), rawClient(proxy), rawClient(proxy)];
    const [stream, trickle, silent] = clients;
    stream?.send(get());
    trickle?.send(get("1"));
    silent?.send(post());
    await vi.waitFor(() => {
      for (const client of [stream, trickle, silent]) expect(client?.received()).toContain("HTTP");
    });
    proxy.silenceAll();
    expect(proxy.connections).toBe(4);
    await Promise.all([proxy.close(), proxy.close()]);
    expect(proxy.connections).toBe(0);
    await Promise.all(clients.map((client) => client.ended));
    await expect.poll(() => target.connections()).toBe(0);
    await expect.poll(handles, { timeout: 5000 }).toBeLessThanOrEqual(before);
    await proxy.close();
    await expect(fetch(proxy.url)).rejects.toThrow();
  });
});

describe("a reset", () => {
  it.each([
    ["open", (socket: Socket) => socket],
    ["in the middle of a write", (socket: Socket) => void socket.write(Buffer.alloc(50_000_000))],
    ["about to end", (socket: Socket) => socket.end(Buffer.alloc(50_000_000))],
    ["ended", (socket: Socket) => socket.end()],
    ["reset", (socket: Socket) => socket.resetAndDestroy()],
  ])("closes a socket that is %s, and its peer's", async (_name, prepare) => {
    const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    // A listening TCP server's address is an object.
    const { port } = server.address() as AddressInfo;
    const peer = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    onTestFinished(() => void peer.destroy());
    const ended = new Promise((resolve) => peer.on("end", resolve).on("error", resolve));
    // What this server emits with "connection" is the socket.
    const [socket] = (await once(server, "connection")) as [Socket];
    const closed = once(socket, "close");
    prepare(socket);
    reset(socket);
    await closed;
    peer.resume();
    await ended;
  });

  it("closes a socket that is still connecting", async () => {
    const socket = connect(9, "127.0.0.1");
    const closed = once(socket, "close");
    reset(socket);
    await closed;
  });
});

describe("bounds", () => {
  it("make the target wait for a client that does not read, in bounded memory", async () => {
    let taken = 0;
    const target = await targetServer((_request, response) => {
      const chunk = Buffer.alloc(64 * 1024);
      const pour = () => {
        while (taken < 500_000_000) {
          taken += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", pour);
        }
      };
      pour();
    });
    const proxy = await proxyTo(target, [{ kind: "latency", ms: 10 }], { maxBufferedBytes: 64 * 1024 });
    const client = rawClient(proxy);
    client.send(get());
    await vi.waitFor(() => expect(client.received()).not.toBe(""));
    client.socket.pause();
    let seen = -1;
    await expect
      .poll(
        () => {
          const stands = seen === taken;
          seen = taken;
          return stands;
        },
        { interval: 200 },
      )
      .toBe(true);
    // The rest is what the system's own socket buffers take on the way.
    expect(taken).toBeLessThan(40_000_000);
    client.socket.resume();
    await vi.waitFor(() => expect(taken).toBeGreaterThan(seen + 10_000_000), { timeout: 20_000 });
  });

  it("let go of the oldest of the log, but count everything", async () => {
    const target = await targetServer(wholeBody(10));
    const events: ProxyEvent[] = [];
    const proxy = await proxyTo(target, [], { maxLogEntries: 5, onEvent: (event) => events.push(event) });
    for (let round = 0; round < 10; round += 1) await (await fetch(proxy.url)).text();
    expect(proxy.counters.request).toBe(10);
    expect(proxy.log).toHaveLength(5);
    expect(proxy.log).toEqual(events.slice(-5));
  });

  it("turn away more connections than told", async () => {
    const target = await targetServer(endlessStream);
    const proxy = await proxyTo(target, [], { maxConnections: 2 });
    const clients = [rawClient(proxy), rawClient(proxy)];
    for (const client of clients) client.send(get());
    await vi.waitFor(() => {
      for (const client of clients) expect(client.received()).toContain("data: 1\n");
    });
    const third = rawClient(proxy);
    third.send(get());
    await third.ended;
    expect(third.received()).toBe("");
    expect(proxy.counters.opened).toBe(2);
  });
});

describe("options out of range", () => {
  const good: FaultProxyOptions = { target: "http://127.0.0.1:9/", seed: 1 };

  it.each<[string, Partial<FaultProxyOptions>]>([
    ["target", { target: "https://example.com/" }],
    ["target", { target: "nonsense" }],
    ["seed", { seed: -1 }],
    ["seed", { seed: 0.5 }],
    ["seed", { seed: Number.NaN }],
    ["port", { port: 65_536 }],
    ["maxBufferedBytes", { maxBufferedBytes: 0 }],
    ["maxConnections", { maxConnections: 0 }],
    ["maxLogEntries", { maxLogEntries: 0 }],
  ])("are refused: %s", async (option, options) => {
    const refused = faultProxy({ ...good, ...options });
    await expect(refused).rejects.toThrow(ResumeError);
    await expect(refused).rejects.toMatchObject({
      code: "invalid-option",
      message: expect.stringContaining(option) as string,
    });
  });

  it.each<[string, Weather]>([
    ["weather[0].meanIntervalMs", [{ kind: "kills", meanIntervalMs: 0 }]],
    ["weather[0].meanMs", [{ kind: "lifetimes", meanMs: Number.NaN }]],
    ["weather[0].on", [{ kind: "kills", meanIntervalMs: 1, on: [] }]],
    ["weather[1].afterBytes.max", [{ kind: "offline" }, { kind: "cuts", afterBytes: { min: 2, max: 1 } }]],
    ["weather[0].share", [{ kind: "cuts", afterBytes: { min: 1, max: 1 }, share: 1.1 }]],
    ["weather[0].everyMs", [{ kind: "outages", everyMs: 100, lastingMs: 100 }]],
    ["weather[0].lastingMs", [{ kind: "outages", everyMs: 100, lastingMs: Infinity }]],
    ["weather[0].every", [{ kind: "cuts", afterBytes: { min: 1, max: 1 }, every: 0 }]],
    ["weather[0].everyMs", [{ kind: "storms", everyMs: 100, lastingMs: 100 }]],
    ["weather[0].status", [{ kind: "storms", everyMs: 100, lastingMs: 10, status: 200 }]],
    ["weather[0].afterBytes.min", [{ kind: "silence", afterBytes: { min: -1, max: 1 } }]],
    ["weather[0].jitterMs", [{ kind: "latency", ms: 10, jitterMs: 11 }]],
    ["weather[0].bytesPerSecond", [{ kind: "trickle", bytesPerSecond: 0 }]],
    ["weather[0].status", [{ kind: "unavailable", status: 200 }]],
    ["weather[0].retryAfterSeconds", [{ kind: "unavailable", retryAfterSeconds: -1 }]],
  ])("are refused: %s", async (option, weather) => {
    const message = expect.stringContaining(option) as string;
    await expect(faultProxy({ ...good, weather })).rejects.toMatchObject({ code: "invalid-option", message });
    const target = await targetServer(wholeBody(1));
    const proxy = await proxyTo(target, []);
    expect(() => proxy.setWeather(weather)).toThrow(ResumeError);
    expect((await fetch(proxy.url)).ok).toBe(true);
  });

  it("are refused when the kind of fault is none", async () => {
    const weather: unknown = [{ kind: "drizzle" }];
    // A caller without types can pass anything.
    await expect(faultProxy({ ...good, weather: weather as Weather })).rejects.toThrow("drizzle");
  });

  it("include a port that is taken", async () => {
    const target = await targetServer(wholeBody(1));
    const proxy = await proxyTo(target, []);
    await expect(faultProxy({ ...good, port: proxy.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
