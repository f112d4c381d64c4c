import { describe, expect, it, vi } from "vitest";
import {
  endlessStream,
  get,
  post,
  proxyTo,
  quietStream,
  rawClient,
  targetServer,
  wholeBody,
} from "./fault-proxy-fixtures.js";

describe("calm", () => {
  it("passes requests and answers unchanged", async () => {
    const target = await targetServer((_request, response, body) => response.end(body.toUpperCase()));
    const proxy = await proxyTo(target, []);
    for (const word of ["one", "two", "three"]) {
      const answer = await fetch(proxy.url, { method: "POST", body: word });
      expect(await answer.text()).toBe(word.toUpperCase());
    }
    expect(target.requests).toEqual(["POST /mcp one", "POST /mcp two", "POST /mcp three"]);
    expect(proxy.counters).toMatchObject({ request: 3, cut: 0 });
  });

  it("passes ten megabytes both ways byte for byte", async () => {
    const target = await targetServer((_request, response, body) => response.end(body));
    const proxy = await proxyTo(target, []);
    const body = Buffer.alloc(10 * 1024 * 1024, "0123456789").toString();
    const answer = await fetch(proxy.url, { method: "POST", body });
    expect((await answer.text()) === body).toBe(true);
  });

  it("tells posts, gets, resumes and the rest apart on one connection", async () => {
    const target = await targetServer(wholeBody(10));
    const proxy = await proxyTo(target, []);
    const client = rawClient(proxy);
    const remove = "DELETE /mcp HTTP/1.1\r\nHost: test\r\n\r\n";
    for (const [index, request] of [post(), get(), get("7:a:b"), remove].entries()) {
      client.send(request);
      await vi.waitFor(() => expect(client.received().split("x".repeat(10))).toHaveLength(index + 2));
    }
    const requests = proxy.log.flatMap((event) => (event.type === "request" ? [event.request] : []));
    expect(requests.map(({ kind, lastEventId, number }) => [kind, lastEventId, number])).toEqual([
      ["post", undefined, 1],
      ["get", undefined, 2],
      ["resume", "7:a:b", 3],
      ["other", undefined, 4],
    ]);
    expect(proxy.counters.opened).toBe(1);
  });

  it("resets the client when the target cannot be reached, and says so", async () => {
    const target = await targetServer(wholeBody(1));
    const proxy = await proxyTo({ ...target, url: "http://127.0.0.1:1/" }, []);
    const client = rawClient(proxy);
    expect(await client.ended).toBe("reset");
    expect(proxy.counters.unreachable).toBe(1);
  });

  it("passes the target's reset on to the client", async () => {
    const target = await targetServer((request) => request.socket.resetAndDestroy());
    const proxy = await proxyTo(target, []);
    const client = rawClient(proxy);
    client.send(post());
    expect(await client.ended).toBe("reset");
    expect(proxy.counters.cut).toBe(0);
  });

  it("passes on that a client went away", async () => {
    const target = await targetServer(endlessStream);
    const proxy = await proxyTo(target, []);
    const client = rawClient(proxy);
    client.send(get());
    await vi.waitFor(() => expect(client.received()).toContain("data: 1\n"));
    client.socket.resetAndDestroy();
    await expect.poll(() => target.connections()).toBe(0);
    await expect.poll(() => proxy.connections).toBe(0);
  });
});

describe("cuts", () => {
  it("resets both ends after exactly the number of bytes that it logs", async () => {
    const target = await targetServer(endlessStream);
    const proxy = await proxyTo(target, [{ kind: "cuts", afterBytes: { min: 300, max: 900 } }]);
    for (let round = 1; round <= 5; round += 1) {
      const client = rawClient(proxy);
      client.send(get());
      await client.ended;
      const cut = proxy.log.findLast((event) => event.type === "cut");
      expect(cut).toMatchObject({
        cause: "cuts",
        connection: round,
        request: { kind: "get", answer: "body", isStream: true, bytesDown: client.received().length },
      });
      expect(client.received().length).toBeGreaterThanOrEqual(300);
      expect(client.received().length).toBeLessThanOrEqual(900);
    }
    expect(proxy.counters).toMatchObject({ cut: 5, cutInMidStream: 5, cutOnResume: 0 });
    await expect.poll(() => target.connections()).toBe(0);
  });

  it("befall only the kinds of request that they are for", async () => {
    const target = await targetServer(wholeBody(2000));
    const proxy = await proxyTo(target, [
      { kind: "cuts", afterBytes: { min: 100, max: 100 }, on: ["resume"] },
    ]);
    expect(await (await fetch(proxy.url)).text()).toHaveLength(2000);
    const resumed = fetch(proxy.url, { headers: { "Last-Event-ID": "1" } });
    await expect(resumed).rejects.toThrow();
    expect(proxy.counters).toMatchObject({ cut: 1, cutOnResume: 1, cutInMidStream: 0 });
  });

  it("leave an answer alone that is shorter", async () => {
    const target = await targetServer(wholeBody(10));
    const proxy = await proxyTo(target, [{ kind: "cuts", afterBytes: { min: 2000, max: 2000 } }]);
    for (let round = 0; round < 20; round += 1) expect((await fetch(proxy.url)).ok).toBe(true);
    expect(proxy.counters.cut).toBe(0);
  });

  it("of zero bytes come before the answer and after the request", async () => {
    const target = await targetServer(wholeBody(10));
    const proxy = await proxyTo(target, [{ kind: "cuts", afterBytes: { min: 0, max: 0 } }]);
    const client = rawClient(proxy);
    client.send(post("hello"));
    expect(await client.ended).toBe("reset");
    expect(client.received()).toBe("");
    expect(target.requests).toEqual(["POST /mcp hello"]);
    expect(proxy.log.at(-1)).toMatchObject({ type: "cut", request: { answer: "none" } });
  });
});

describe("kills", () => {
  it("reset open connections one after the other", async () => {
    const target = await targetServer(quietStream);
    const proxy = await proxyTo(target, [{ kind: "kills", meanIntervalMs: 10 }]);
    const clients = Array.from({ length: 10 }, () => rawClient(proxy));
    for (const client of clients) client.send(get());
    await Promise.all(clients.map((client) => client.ended));
    const cuts = proxy.log.filter((event) => event.type === "cut");
    expect(cuts.map((event) => event.cause)).toEqual(clients.map(() => "kills"));
    expect(new Set(cuts.map((event) => event.atMs)).size).toBe(10);
  });

  it("spare the kinds of request that they are not for", async () => {
    const target = await targetServer(endlessStream);
    const proxy = await proxyTo(target, [{ kind: "kills", meanIntervalMs: 5, on: ["resume"] }]);
    const spared = rawClient(proxy);
    spared.send(get());
    const victim = rawClient(proxy);
    victim.send(get("1"));
    await victim.ended;
    const seen = spared.received().length;
    await vi.waitFor(() => expect(spared.received().length).toBeGreaterThan(seen + 200));
    expect(proxy.counters.cut).toBe(1);
  });

  it("reach a client that does not read", async () => {
    const target = await targetServer(wholeBody(50_000_000));
    const proxy = await proxyTo(target, []);
    const client = rawClient(proxy);
    client.send(get());
    await vi.waitFor(() => expect(client.received()).not.toBe(""), { timeout: 20_000 });
    client.socket.pause();
    proxy.killAll();
    await expect.poll(() => target.connections(), { timeout: 20_000 }).toBe(0);
    await expect.poll(() => proxy.connections, { timeout: 20_000 }).toBe(0);
  });

  it("come at once when asked for, to everything", async () => {
    const target = await targetServer(quietStream);
    const proxy = await proxyTo(target, []);
    const clients = [rawClient(proxy), rawClient(proxy), rawClient(proxy)];
    for (const client of clients) client.send(get());
    await vi.waitFor(() => {
      for (const client of clients) expect(client.received()).toContain("data: 1\n");
    });
    expect(proxy.killAll()).toBe(3);
    for (const client of clients) expect(await client.ended).toBe("reset");
    expect(proxy.counters).toMatchObject({ cut: 3, cutInMidStream: 3 });
    await expect.poll(() => target.connections()).toBe(0);
    expect(proxy.killAll()).toBe(0);
  });

  it("of a connection that idles after a whole answer are not counted as in mid-stream", async () => {
    const target = await targetServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end("data: all\n\n");
    });
    const proxy = await proxyTo(target, []);
    const client = rawClient(proxy);
    client.send(get("1"));
    await vi.waitFor(() => expect(client.received()).toMatch(/\r\n0\r\n\r\n$/));
    proxy.killAll();
    expect(await client.ended).toBe("reset");
    expect(proxy.counters).toMatchObject({ cut: 1, cutInMidStream: 0, cutOnResume: 0 });
    expect(proxy.log.at(-1)).toMatchObject({ request: { answer: "complete", isStream: true } });
  });
});

describe("lifetimes", () => {
  it("reset each connection after a time of its own, counted from its latest request", async () => {
    const target = await targetServer(quietStream);
    const proxy = await proxyTo(target, [{ kind: "lifetimes", meanMs: 60, on: ["resume"] }]);
    const spared = rawClient(proxy);
    spared.send(get());
    const clients = Array.from({ length: 20 }, () => rawClient(proxy));
    for (const client of clients) client.send(get("1"));
    await Promise.all(clients.map((client) => client.ended));
    const cuts = proxy.log.filter((event) => event.type === "cut");
    expect(cuts.map((event) => event.cause)).toEqual(clients.map(() => "lifetimes"));
    const meanMs = cuts.reduce((total, event) => total + event.atMs, 0) / cuts.length;
    expect(meanMs).toBeGreaterThan(20);
    expect(meanMs).toBeLessThan(400);
    expect(spared.socket.destroyed).toBe(false);
  });

  it("end with the weather", async () => {
    const target = await targetServer(endlessStream);
    const proxy = await proxyTo(target, [{ kind: "lifetimes", meanMs: 1000 }]);
    const clients = Array.from({ length: 5 }, () => rawClient(proxy));
    for (const client of clients) client.send(get());
    await vi.waitFor(() => expect(proxy.counters.request).toBe(5));
    proxy.setWeather([{ kind: "lifetimes", meanMs: 20 }]);
    await Promise.all(clients.map((client) => client.ended));
    const last = rawClient(proxy);
    proxy.setWeather([]);
    last.send(get());
    await vi.waitFor(() => expect(last.received()).toContain("data: 60\n"));
  });
});

describe("outages", () => {
  it("come and go: everything is reset, then served again", async () => {
    const target = await targetServer(quietStream);
    const proxy = await proxyTo(target, [{ kind: "outages", everyMs: 300, lastingMs: 150 }]);
    const early = rawClient(proxy);
    early.send(get());
    expect(await early.ended).toBe("reset");
    expect(early.received()).toContain("data: 1\n");
    const during = rawClient(proxy);
    expect(await during.ended).toBe("reset");
    expect(proxy.log.at(-1)).toMatchObject({ type: "refused", cause: "outages" });
    await vi.waitFor(async () => expect((await fetch(proxy.url)).ok).toBe(true), { timeout: 2000 });
  });

  it("last until the weather changes when the network is offline", async () => {
    const target = await targetServer(quietStream);
    const proxy = await proxyTo(target, []);
    const client = rawClient(proxy);
    client.send(get());
    await vi.waitFor(() => expect(client.received()).toContain("data: 1\n"));
    proxy.setWeather([{ kind: "offline" }]);
    expect(await client.ended).toBe("reset");
    for (let round = 0; round < 3; round += 1) await expect(fetch(proxy.url)).rejects.toThrow();
    expect(target.requests).toHaveLength(1);
    proxy.setWeather([]);
    expect((await fetch(proxy.url)).ok).toBe(true);
  });
});

describe("silence", () => {
  it("keeps the connection open while nothing passes, and neither end learns that the other closed", async () => {
    const target = await targetServer(endlessStream);
    const proxy = await proxyTo(target, []);
    const client = rawClient(proxy);
    client.send(get());
    await vi.waitFor(() => expect(client.received()).toContain("data: 1\n"));
    expect(proxy.silenceAll()).toBe(1);
    proxy.setWeather([]);
    // Another connection's stream shows that time has passed and that the rest of the proxy goes on.
    const other = rawClient(proxy);
    other.send(get());
    await vi.waitFor(() => expect(other.received()).toContain("data: 20\n"));
    const received = client.received();
    expect(client.socket.destroyed).toBe(false);
    client.socket.end();
    expect(await client.ended).toBe("closed");
    await vi.waitFor(() => expect(other.received()).toContain("data: 40\n"));
    expect(client.received()).toBe(received);
    expect(await target.connections()).toBe(2);
    await proxy.close();
    await expect.poll(() => target.connections()).toBe(0);
  });

  it("falls after the drawn number of bytes", async () => {
    const target = await targetServer(endlessStream);
    const proxy = await proxyTo(target, [{ kind: "silence", afterBytes: { min: 400, max: 500 } }]);
    const client = rawClient(proxy);
    client.send(get());
    await vi.waitFor(() => {
      const request = { bytesDown: client.received().length };
      expect(proxy.log.at(-1)).toMatchObject({ type: "silenced", cause: "silence", request });
    });
    const bytesDown = client.received().length;
    expect(bytesDown).toBeGreaterThanOrEqual(400);
    expect(bytesDown).toBeLessThanOrEqual(500);
  });

  it("from the start swallows the request, or only its answer", async () => {
    const target = await targetServer(wholeBody(10));
    const proxy = await proxyTo(target, [{ kind: "silence" }]);
    rawClient(proxy).send(post("swallowed"));
    await vi.waitFor(() => expect(proxy.counters.silenced).toBe(1));
    proxy.setWeather([{ kind: "silence", direction: "down" }]);
    const unheard = rawClient(proxy);
    unheard.send(post("heard"));
    await vi.waitFor(() => expect(target.requests).toEqual(["POST /mcp heard"]));
    proxy.setWeather([]);
    expect((await fetch(proxy.url)).ok).toBe(true);
    expect(unheard.received()).toBe("");
  });
});

describe("latency and trickle", () => {
  it("delay each byte one way and the other, without slowing the stream", async () => {
    const target = await targetServer(endlessStream);
    const proxy = await proxyTo(target, [{ kind: "latency", ms: 100, jitterMs: 20 }]);
    const client = rawClient(proxy);
    const startMs = performance.now();
    client.send(get());
    await vi.waitFor(() => expect(client.received()).toContain("data: 1\n"), { interval: 5 });
    const firstMs = performance.now() - startMs;
    expect(firstMs).toBeGreaterThan(155);
    await vi.waitFor(() => expect(client.received()).toContain("data: 30\n"), { interval: 5 });
    // Were the delays one after the other, 29 events would take 2.3 s at least.
    expect(performance.now() - startMs - firstMs).toBeLessThan(1500);
    expect(
      client
        .received()
        .match(/data: \d+/g)
        ?.slice(0, 30),
    ).toEqual(Array.from({ length: 30 }, (_, index) => `data: ${index + 1}`));
  });

  it("let an answer through no faster than told, in order and whole", async () => {
    const body = Array.from({ length: 500 }, (_, index) => `${index};`).join("");
    const target = await targetServer((_request, response) => response.end(body));
    const proxy = await proxyTo(target, [{ kind: "trickle", bytesPerSecond: 5000 }]);
    const startMs = performance.now();
    const answer = await fetch(proxy.url);
    expect(await answer.text()).toBe(body);
    expect(performance.now() - startMs).toBeGreaterThan((body.length / 5000) * 1000 * 0.9);
  });

  it("deliver what was on its way when the target closed", async () => {
    const target = await targetServer((_request, response) => {
      response.writeHead(200, { connection: "close" }).end("the whole answer");
    });
    const proxy = await proxyTo(target, [{ kind: "latency", ms: 60 }]);
    const client = rawClient(proxy);
    client.send(get());
    expect(await client.ended).toBe("closed");
    expect(client.received()).toContain("the whole answer");
  });
});

describe("answers of the proxy's own", () => {
  it("are errors that keep the request from the target", async () => {
    const target = await targetServer(wholeBody(10));
    const proxy = await proxyTo(target, [{ kind: "unavailable", retryAfterSeconds: 7, on: ["post"] }]);
    const answer = await fetch(proxy.url, { method: "POST", body: "x".repeat(200_000) });
    expect([answer.status, answer.headers.get("retry-after"), await answer.text()]).toEqual([503, "7", ""]);
    expect((await fetch(proxy.url)).status).toBe(200);
    expect(target.requests).toEqual(["GET /mcp"]);
    expect(proxy.counters).toMatchObject({ answered: 1, cut: 0 });
  });

  it("are event streams without events", async () => {
    const target = await targetServer(wholeBody(10));
    const proxy = await proxyTo(target, [{ kind: "empty-stream" }]);
    const answer = await fetch(proxy.url, { headers: { "Last-Event-ID": "1" } });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(await answer.text()).toBe("");
    expect(target.requests).toEqual([]);
  });

  it("are nothing at all when a connection is accepted and closed", async () => {
    const target = await targetServer(wholeBody(10));
    const proxy = await proxyTo(target, [{ kind: "accept-and-close" }]);
    const client = rawClient(proxy);
    client.send(post());
    expect(await client.ended).toBe("closed");
    expect(client.received()).toBe("");
    expect(proxy.counters.refused).toBe(1);
    proxy.setWeather([]);
    expect((await fetch(proxy.url)).ok).toBe(true);
  });
});
