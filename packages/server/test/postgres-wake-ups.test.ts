import type { Pool } from "pg";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { PostgresServer, whyNoPostgres } from "../../../test-support/postgres-server.js";
import { describeUnless } from "../../../test-support/skip.js";
import type { EventStoreError } from "../src/log/errors.js";
import {
  migratePostgresLog,
  postgresLog,
  type PostgresLogOptions,
} from "../src/logs/postgres/postgres-log.js";
import { openPool } from "./support/postgres-fixtures.js";
import { AppendingProcess } from "./support/appending-process.js";

const LIMIT = { timeout: 20_000 };
/** So long that no test sees it. */
const NEVER_MS = 3_600_000;
const why = whyNoPostgres();

describeUnless(why, "wake-ups of postgresLog", () => {
  let server: PostgresServer;
  let pool: Pool;
  const schema = "waking";
  beforeAll(async () => {
    server = await PostgresServer.start();
    pool = openPool(server.url);
    await migratePostgresLog(pool, { schema });
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  function open(options: PostgresLogOptions) {
    const log = postgresLog(pool, { schema, ...options });
    onTestFinished(() => log.close());
    return log;
  }

  const listeners = () =>
    server.query("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND pid <> pg_backend_pid()");

  /** Another process appends so many events to "stream 0". */
  async function appendElsewhere(appends: number): Promise<void> {
    const child = await AppendingProcess.start("./postgres-process.mjs", [server.url, schema], {
      streams: 1,
      inFlight: 1,
      appends,
    });
    child.go();
    await child.ended();
    expect(child.acknowledged.length).toBe(appends);
  }

  it.each<[string, PostgresLogOptions]>([
    ["a notification", { wakeUp: "notify", pollIntervalMs: NEVER_MS }],
    ["polling", { wakeUp: "poll", pollIntervalMs: 20 }],
  ])("come by %s when another process appends, and not for another stream", async (_, options) => {
    const log = open({ ...options, heartbeatMs: NEVER_MS });
    const wake = vi.fn();
    const other = vi.fn();
    log.subscribe("stream 0", wake);
    log.subscribe("stream 1", other);
    // The first wake-ups come when the log listens, or has looked for the first time.
    if (options.wakeUp === "notify") await expect.poll(() => other.mock.calls.length, LIMIT).toBe(1);
    else await expect.poll(() => wake.mock.calls.length + other.mock.calls.length, LIMIT).toBeGreaterThan(0);
    const before = [wake.mock.calls.length, other.mock.calls.length];
    await appendElsewhere(3);
    await expect.poll(() => wake.mock.calls.length, LIMIT).toBeGreaterThan(before[0]!);
    expect(other.mock.calls.length).toBe(before[1]);
  });

  it("come again after the listening connection was killed, first of all for what was missed", async () => {
    const errors: EventStoreError[] = [];
    const log = open({
      wakeUp: "notify",
      pollIntervalMs: NEVER_MS,
      heartbeatMs: NEVER_MS,
      onError: (error) => errors.push(error),
    });
    const wake = vi.fn();
    log.subscribe("stream 0", wake);
    for (let kill = 1; kill <= 3; kill += 1) {
      await expect.poll(listeners, LIMIT).toHaveLength(1);
      await expect.poll(() => wake.mock.calls.length, LIMIT).toBeGreaterThan(0);
      wake.mockClear();
      const [listener] = await listeners();
      await server.query("SELECT pg_terminate_backend($1)", [listener!.pid]);
      await expect.poll(() => wake.mock.calls.length, LIMIT).toBeGreaterThan(0);
      expect(errors).toHaveLength(kill);
      expect(errors.at(-1)).toMatchObject({ code: "backend" });
      wake.mockClear();
      await appendElsewhere(1);
      await expect.poll(() => wake.mock.calls.length, LIMIT).toBeGreaterThan(0);
    }
  });

  it("take one connection, however many streams are followed, and give it up at the close", async () => {
    const log = open({ wakeUp: "notify" });
    for (let number = 0; number < 200; number += 1) log.subscribe(`followed ${number}`, () => undefined);
    await expect.poll(listeners, LIMIT).toHaveLength(1);
    await log.close();
    await expect.poll(listeners, LIMIT).toHaveLength(0);
  });
});
