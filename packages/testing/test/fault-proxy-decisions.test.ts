import { describe, expect, it } from "vitest";
import { planFor } from "../src/fault-proxy/plan.js";
import { exponential, integerBetween, seededRandom } from "../src/random.js";
import { Answer, RequestHeads } from "../src/fault-proxy/http.js";
import type { Weather } from "../src/fault-proxy/weather.js";
import { endlessStream, get, post, proxyTo, rawClient, targetServer } from "./fault-proxy-fixtures.js";

function draws(random: () => number, count: number): number[] {
  return Array.from({ length: count }, random);
}

describe("seeded random", () => {
  it("is the same for the same seeds, and another for any other", () => {
    expect(draws(seededRandom(7, 1, 2), 20)).toEqual(draws(seededRandom(7, 1, 2), 20));
    const others = [
      [7, 1, 3],
      [7, 2, 1],
      [7, 2],
      [8, 1, 2],
      [7, 1, 2, 0],
    ];
    const firsts = others.map((seeds) => seededRandom(...seeds)());
    expect(new Set([seededRandom(7, 1, 2)(), ...firsts]).size).toBe(others.length + 1);
  });

  it("is evenly spread over neighbouring seeds too", () => {
    const firsts = Array.from({ length: 10_000 }, (_, seed) => seededRandom(1, seed)());
    const tenths = Array.from({ length: 10 }, (_, tenth) => {
      return firsts.filter((value) => Math.floor(value * 10) === tenth).length;
    });
    for (const count of tenths) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("draws whole numbers with both ends, and waiting times with the given mean", () => {
    const random = seededRandom(1);
    const numbers = new Set(draws(() => integerBetween(random, 3, 5), 200));
    expect([...numbers].sort()).toEqual([3, 4, 5]);
    const waits = draws(() => exponential(random, 60), 10_000);
    expect(waits.reduce((sum, wait) => sum + wait) / waits.length).toBeCloseTo(60, -1);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
  });
});

describe("the plan for a request", () => {
  const cuts: Weather = [{ kind: "cuts", afterBytes: { min: 200, max: 2500 } }];

  it("leaves one fault's luck unchanged when another is narrowed", () => {
    const silence = { kind: "silence", share: 0.3, afterBytes: { min: 1, max: 900 } } as const;
    for (let seed = 0; seed < 50; seed += 1) {
      const both = planFor([silence, ...cuts], "post", seededRandom(seed));
      const narrowed = planFor([{ ...silence, on: ["get"] }, ...cuts], "post", seededRandom(seed));
      expect(narrowed, `seed ${seed}`).toEqual({ ...both, silence: undefined });
    }
  });

  it("befalls about the share of requests that it is for", () => {
    const weather: Weather = [{ kind: "unavailable", share: 0.3 }];
    const struck = Array.from({ length: 2000 }, (_, seed) => planFor(weather, "post", seededRandom(seed)));
    const share = struck.filter((plan) => plan.ownAnswer !== undefined).length / struck.length;
    expect(share).toBeGreaterThan(0.26);
    expect(share).toBeLessThan(0.34);
  });

  it("takes the earliest cut and the slowest trickle of several", () => {
    const weather: Weather = [
      { kind: "cuts", afterBytes: { min: 900, max: 900 } },
      { kind: "cuts", afterBytes: { min: 300, max: 300 } },
      { kind: "trickle", bytesPerSecond: 100 },
      { kind: "trickle", bytesPerSecond: 5000 },
    ];
    expect(planFor(weather, "get", seededRandom(1))).toMatchObject({
      cutAfterBytes: 300,
      bytesPerSecond: 100,
    });
  });

  it("is the same for the same seed over real connections, and another for another seed", async () => {
    const target = await targetServer(endlessStream);
    const cutsOf = async (seed: number) => {
      const proxy = await proxyTo(target, cuts, { seed });
      for (let round = 0; round < 5; round += 1) {
        const client = rawClient(proxy);
        client.send(get());
        await client.ended;
      }
      return proxy.log.flatMap((event) => (event.type === "cut" ? [event.request?.bytesDown] : []));
    };
    const first = await cutsOf(42);
    expect(first).toHaveLength(5);
    expect(await cutsOf(42)).toEqual(first);
    expect(await cutsOf(43)).not.toEqual(first);
  });
});

describe("request heads", () => {
  it("are found byte by byte, and held back until they are whole", () => {
    const heads = new RequestHeads();
    const request = get("12:epoch:stream");
    const passed: Buffer[] = [];
    for (const byte of Buffer.from(request)) {
      const { head, bytes } = heads.feed(Buffer.from([byte]));
      passed.push(bytes);
      if (head === undefined) expect(bytes).toHaveLength(0);
      else
        expect(head).toEqual({ kind: "resume", line: "GET /mcp HTTP/1.1", lastEventId: "12:epoch:stream" });
    }
    expect(Buffer.concat(passed).toString()).toBe(request);
    expect(passed.at(-1)).toHaveLength(request.length);
  });

  it("are not looked for in the rest of a body, whatever it says", () => {
    const heads = new RequestHeads();
    expect(heads.feed(Buffer.from(post())).head?.kind).toBe("post");
    expect(heads.feed(Buffer.from(get("1"))).head).toBeUndefined();
    heads.answered();
    expect(heads.feed(Buffer.from("still the body")).head).toBeUndefined();
    heads.answered();
    expect(heads.feed(Buffer.from(get("1"))).head?.kind).toBe("resume");
  });

  it("that never end pass unread", () => {
    const heads = new RequestHeads();
    const endless = Buffer.alloc(64 * 1024, "GET /");
    expect(heads.feed(endless).bytes).toHaveLength(0);
    const fed = heads.feed(endless);
    expect(fed).toMatchObject({ head: undefined });
    expect(fed.bytes).toHaveLength(2 * endless.length);
  });
});

describe("answers", () => {
  const progressOf = (text: string) => {
    const whole = new Answer();
    whole.passed(Buffer.from(text));
    const slowly = new Answer();
    for (const byte of Buffer.from(text)) slowly.passed(Buffer.from([byte]));
    expect(slowly.progress).toBe(whole.progress);
    expect(slowly.bytes).toBe(Buffer.byteLength(text));
    return whole.progress;
  };
  const ok = "HTTP/1.1 200 OK\r\n";

  it.each([
    ["nothing", "", "none"],
    ["part of a head", "HTTP/1.1 200 OK\r\nContent-", "head"],
    ["a head alone", `${ok}Content-Length: 3\r\n\r\n`, "head"],
    ["part of a counted body", `${ok}Content-Length: 3\r\n\r\nab`, "body"],
    ["a whole counted body", `${ok}Content-Length: 3\r\n\r\nabc`, "complete"],
    ["an empty body", `${ok}content-length: 0\r\n\r\n`, "complete"],
    ["an answer without a body", "HTTP/1.1 204 No Content\r\n\r\n", "complete"],
    [
      "a 202 without a body",
      "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "complete",
    ],
    ["some chunks", `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`, "body"],
    ["all chunks", `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`, "complete"],
    ["a body that lasts until the close", `${ok}Connection: close\r\n\r\nabc`, "body"],
  ])("are followed through %s", (_name, text, progress) => {
    expect(progressOf(text)).toBe(progress);
  });

  it("begin after an interim answer", () => {
    const answer = new Answer();
    answer.passed(
      Buffer.from(`HTTP/1.1 100 Continue\r\n\r\n${ok}Content-Type: text/event-stream\r\n\r\ndata`),
    );
    expect([answer.progress, answer.isStream]).toEqual(["body", true]);
  });
});
