import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Retention } from "../src/log/event-log.js";
import { sqliteFixture, type SqliteFixture } from "./support/sqlite-fixtures.js";
import { sqliteLibraries } from "./support/sqlite-libraries.js";

const MINUTE_MS = 60_000;
const keep = (limits: Partial<Retention> = {}): Retention => ({
  ...{ maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null },
  ...limits,
});

describe.each(Object.entries(sqliteLibraries()))("the file of sqliteLog on %s", (_, library) => {
  let fixture: SqliteFixture;
  let count: (what: string) => number;

  beforeEach(async () => {
    fixture = await sqliteFixture(library, { sweepIntervalMs: 20 });
    const reader = fixture.open();
    count = (what) => {
      const [row] = reader.prepare(`SELECT count(*) AS count FROM resumable_mcp_${what}`).all();
      return Number((row as { count: unknown }).count);
    };
  });

  afterEach(() => fixture.dispose());

  async function append(stream: string, events: number, retention: Retention): Promise<void> {
    await Promise.all(
      Array.from({ length: events }, (_, index) => fixture.log.append(stream, `${index}`, retention)),
    );
  }

  it("loses the rows of expired events, and keeps the head of their stream", async () => {
    const retention = keep({ ttlMs: MINUTE_MS, headTtlMs: 100 * MINUTE_MS });
    await append("stream", 1200, retention);
    const head = (await fixture.log.read("stream", 0, 1))?.head;
    fixture.clock.ms += 2 * MINUTE_MS;
    await expect.poll(() => count("events")).toBe(1);
    expect(await fixture.log.read("stream", 0, 10)).toEqual({ entries: [], head, floor: 1201, ended: false });
    expect(count("events WHERE payload IS NOT NULL")).toBe(0);
    await expect(fixture.log.append("stream", "next", retention)).resolves.toEqual({ ...head, seq: 1201 });
    const page = await fixture.log.read("stream", 0, 10);
    expect([page?.entries, page?.floor]).toEqual([[{ seq: 1201, payload: "next" }], 1201]);
  });

  it("loses every row of forgotten and of deleted streams", async () => {
    await append("forgotten", 700, keep({ ttlMs: MINUTE_MS, headTtlMs: MINUTE_MS }));
    await append("deleted", 1200, keep());
    await append("kept", 3, keep());
    await fixture.log.delete("deleted");
    fixture.clock.ms += 2 * MINUTE_MS;
    await expect.poll(() => [count("events"), count("streams")]).toEqual([3, 1]);
  });

  it("loses the rows of dropped events when nothing is appended any more", async () => {
    await append("stream", 50, keep({ maxEvents: 5 }));
    await expect.poll(() => count("events")).toBe(5);
    expect((await fixture.log.read("stream", 0, 10))?.floor).toBe(46);
  });

  it("sweeps more streams than one step looks at", async () => {
    const retention = keep({ ttlMs: MINUTE_MS, headTtlMs: null });
    await Promise.all(Array.from({ length: 200 }, (_, index) => append(`stream ${index}`, 3, retention)));
    fixture.clock.ms += 2 * MINUTE_MS;
    await expect.poll(() => count("events"), { timeout: 5000 }).toBe(200);
  });

  it("goes on numbering when another process swept the stream in between", async () => {
    const other = fixture.openLog();
    const short = keep({ ttlMs: MINUTE_MS });
    await append("stream", 100, short);
    const before = await other.append("stream", "event", short);
    fixture.clock.ms += 2 * MINUTE_MS;
    await expect.poll(() => count("events")).toBe(1);
    const after = await other.append("stream", "young", keep());
    expect(after).toEqual({ ...before, seq: before.seq + 1 });
    const page = await fixture.log.read("stream", 0, 1000);
    expect([page?.entries, page?.floor]).toEqual([[{ seq: after.seq, payload: "young" }], after.seq]);
  });

  it("stays small while a stream is appended to, without a sweep", async () => {
    const log = fixture.openLog({ sweepIntervalMs: 1_000_000 });
    const most: number[] = [];
    for (let event = 0; event < 600; event += 1) {
      await log.append("stream", `${event}`, keep({ maxEvents: 10 }));
      most.push(count("events"));
    }
    expect(Math.max(...most)).toBeLessThanOrEqual(10 + 64);
  });
});
