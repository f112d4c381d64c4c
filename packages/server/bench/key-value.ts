/*
 * What one append to the key-value log costs on streams of different lengths: it must not grow with the stream. Beside
 * it the usual scheme of key-value event stores, which write the event, read the stream's list of ids and write it back.
 */
import { type AsyncKeyValue, keyValueLog } from "@resumable-mcp/server";
import { keyValueBackends } from "../test/support/key-value-fixtures.js";
import { callsPerSecond, type Contender, mediansOf } from "./support/rounds.js";
import { against, duration, printTable, times } from "./support/table.js";

const LENGTHS = [10, 100, 1000, 10_000];
const PAYLOAD = "x".repeat(300);
const TTL_SECONDS = 3600;
const ROUNDS = 7;
/** In each round. */
const LOG_CALLS = 1000;
const SCHEME_CALLS = 100;
const IN_FLIGHT_WHILE_FILLING = 64;

/** Keeps as many events as the stream has when it is measured, so that each append drops one, and its length stays. */
const retentionOf = (length: number) => ({
  maxEvents: length,
  maxBytes: null,
  ttlMs: TTL_SECONDS * 1000,
  headTtlMs: 86_400_000,
});

/** The scheme of a list of ids for each stream. */
class ListScheme {
  readonly #keyValue: AsyncKeyValue;
  #ids = 0;

  constructor(keyValue: AsyncKeyValue) {
    this.#keyValue = keyValue;
  }

  async append(stream: string, maxEvents: number): Promise<void> {
    const id = `event-${(this.#ids += 1)}`;
    await this.#keyValue.put(id, { payload: PAYLOAD }, { collection: "scheme", ttl: TTL_SECONDS });
    const list = await this.#keyValue.get(stream, { collection: "scheme-lists" });
    // What this class put there.
    const ids = [...((list?.ids ?? []) as readonly string[]), id];
    const dropped = ids.splice(0, Math.max(0, ids.length - maxEvents));
    await this.#keyValue.put(stream, { ids }, { collection: "scheme-lists", ttl: TTL_SECONDS });
    await this.#keyValue.deleteMany(dropped, { collection: "scheme" });
  }

  /** A stream as so many appends would leave it. */
  async fill(stream: string, length: number): Promise<void> {
    const ids = Array.from({ length }, () => `event-${(this.#ids += 1)}`);
    const entries = ids.map((key) => ({ key, value: { payload: PAYLOAD } }));
    await this.#keyValue.putMany(entries, { collection: "scheme", ttl: TTL_SECONDS });
    await this.#keyValue.put(stream, { ids }, { collection: "scheme-lists", ttl: TTL_SECONDS });
  }
}

/** Of the log, or of the scheme: each on its own, for what the scheme leaves to the garbage collector is much. */
async function paces(
  calls: number,
  fill: (stream: string, length: number) => Promise<unknown>,
  append: (stream: string, length: number) => Promise<unknown>,
): Promise<ReadonlyMap<string, number>> {
  const contenders: Contender[] = [];
  for (const length of LENGTHS) {
    const stream = `stream of ${length}`;
    await fill(stream, length);
    contenders.push({
      name: `${length}`,
      run: () => callsPerSecond(calls, 1, () => append(stream, length)),
    });
  }
  // Once for nothing, so that what the compiler still learns does not make the first row slower.
  for (const contender of contenders) await contender.run();
  return mediansOf(contenders, { rounds: ROUNDS });
}

async function rowsOf(backend: string, keyValue: AsyncKeyValue): Promise<string[][]> {
  const log = keyValueLog(keyValue);
  const append = (stream: string, length: number) => log.append(stream, PAYLOAD, retentionOf(length));
  const ofLog = await paces(
    LOG_CALLS,
    (stream, length) => callsPerSecond(length, IN_FLIGHT_WHILE_FILLING, () => append(stream, length)),
    append,
  );
  await log.close();
  const scheme = new ListScheme(keyValue);
  const ofScheme = await paces(
    SCHEME_CALLS,
    (stream, length) => scheme.fill(stream, length),
    (stream, length) => scheme.append(stream, length),
  );
  const ms = (rates: ReadonlyMap<string, number>, length: number) =>
    1000 / (rates.get(`${length}`) ?? Number.NaN);
  const [shortest = Number.NaN] = LENGTHS;
  return LENGTHS.map((length) => {
    const pace = ms(ofLog, shortest) / ms(ofLog, length);
    return [
      `${backend}, ${length} events`,
      duration(ms(ofLog, length)),
      length === shortest ? times(pace) : against(pace, 0.8),
      duration(ms(ofScheme, length)),
      times(ms(ofScheme, length) / ms(ofLog, length)),
    ];
  });
}

const rows: string[][] = [];
for (const name of ["memoryKeyValue", "Keyv over a Map", "unstorage on files"]) {
  const backend = await keyValueBackends[name]?.(Date.now);
  if (backend === undefined) throw new Error(`There is no ${name}.`);
  try {
    rows.push(...(await rowsOf(name, backend.keyValue)));
  } finally {
    await backend.dispose?.();
  }
}
printTable(
  `An append of ${PAYLOAD.length} bytes to a stream of so many events that drops its oldest (medians of ${ROUNDS} alternating rounds)`,
  ["", "log", `pace to that at ${LENGTHS[0]}`, "list of ids", "log's pace to it"],
  rows,
);
