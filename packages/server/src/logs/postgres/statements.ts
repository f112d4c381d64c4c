// Builds the log's SQL statements, and encodes the text that they store.
import type { Statement } from "./runner.js";

/*
 * Milliseconds by the server's clock, the same for all processes, and throughout a statement. The tests that need time
 * to pass put another clock in this text's place.
 */
const NOW = "(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/** The key of the stream whose name is the first parameter. */
const KEY = "sha256(convert_to($1::text, 'UTF8'))";

/** Whether a stream's row is to be taken for one that is not there: `forgetAfterMs` in SQL. */
const IS_FORGOTTEN = `coalesce(${NOW} - s.last_at > CASE
    WHEN s.ended OR s.ttl_ms IS NULL THEN s.ttl_ms
    WHEN s.head_ttl_ms IS NULL THEN NULL
    ELSE greatest(s.ttl_ms, s.head_ttl_ms)
  END, false)`;

/** Events older than this are gone. `greatest` passes over what is null. */
const EXPIRED_BEFORE = `greatest(s.expired_before, ${NOW} - s.ttl_ms)`;

/** The last call of a log on a stream. */
const lastCall = (writer: string) => `coalesce((s.writers -> ${writer}::text ->> 0)::bigint, 0)`;

/** A stream remembers the last calls of so many logs; those that appended longest ago are forgotten, down to half. */
const MAX_WRITERS = 32;

export type Statements = ReturnType<typeof statementsOf>;

/** Each statement is a transaction of its own. */
export function statementsOf(schema: string) {
  const streams = `"${schema}".streams`;
  const events = `"${schema}".events`;
  const dropped = `"${schema}".dropped`;
  /** The oldest readable seq of a stream `s`; every bound holds for all events after the first that it holds for. */
  const floor = `CASE WHEN s.last_at < ${EXPIRED_BEFORE} THEN s.head + 1 ELSE coalesce((
      SELECT e.seq FROM ${events} e
      WHERE e.epoch = s.epoch AND e.seq >= s.floor
        AND e.at >= ${EXPIRED_BEFORE} AND e.bytes_before >= s.dropped_bytes
      ORDER BY e.seq LIMIT 1
    ), s.head + 1) END`;
  const write = (operation: string, text: string): Statement => ({ operation, text, isWrite: true });
  const look = (operation: string, text: string): Statement => ({ operation, text, isWrite: false });

  return {
    /**
     * Appends a batch: name, epoch if there is no stream yet, payloads, for each the bytes of those before it in the
     * batch, bytes of all, maxEvents, maxBytes, ttlMs, headTtlMs, writer, call. No row when it was not to be done: see
     * `appendState`. A call that comes a second time is not done again, nor one that a later one has overtaken.
     */
    append: write(
      "an append",
      `WITH stream AS (
  INSERT INTO ${streams} AS s (key, name, epoch, head, floor, bytes, dropped_bytes, last_at, expired_before,
    ttl_ms, head_ttl_ms, ended, writers)
  SELECT ${KEY}, $1::text, $2::text, count, greatest(1, count - $6::bigint + 1), $5::bigint,
    greatest(0, $5::bigint - $7::bigint), ${NOW}, 0, $8::bigint, $9::bigint, false,
    jsonb_build_object($10::text, jsonb_build_array($11::bigint, count))
  FROM (SELECT cardinality($3::text[])::bigint AS count) AS batch
  ON CONFLICT (key) DO UPDATE SET
    head = s.head + excluded.head,
    floor = greatest(s.floor, s.head + excluded.head - $6::bigint + 1),
    bytes = s.bytes + excluded.bytes,
    dropped_bytes = greatest(s.dropped_bytes, s.bytes + excluded.bytes - $7::bigint),
    last_at = greatest(s.last_at, excluded.last_at),
    expired_before = greatest(s.expired_before, excluded.last_at - s.ttl_ms),
    ttl_ms = excluded.ttl_ms,
    head_ttl_ms = excluded.head_ttl_ms,
    writers = CASE
      WHEN jsonb_exists(s.writers, $10::text) THEN s.writers
      WHEN (SELECT count(*) FROM jsonb_object_keys(s.writers)) < ${MAX_WRITERS} THEN s.writers
      ELSE (
        SELECT jsonb_object_agg(newest.key, newest.value) FROM (
          SELECT w.key, w.value FROM jsonb_each(s.writers) AS w
          ORDER BY (w.value ->> 1)::bigint DESC LIMIT ${MAX_WRITERS / 2}
        ) AS newest
      )
    END || jsonb_build_object($10::text, jsonb_build_array($11::bigint, s.head + excluded.head))
  WHERE NOT s.ended AND ${lastCall("$10")} < $11::bigint AND NOT ${IS_FORGOTTEN}
  RETURNING s.epoch, s.head, s.bytes, s.last_at
), stored AS (
  INSERT INTO ${events} (epoch, seq, at, bytes_before, payload)
  SELECT stream.epoch, stream.head - cardinality($3::text[]) + event.number, stream.last_at,
    stream.bytes - $5::bigint + event.before, event.payload
  FROM stream, unnest($3::text[], $4::bigint[]) WITH ORDINALITY AS event (payload, before, number)
)
SELECT epoch, head FROM stream`,
    ),

    /** Why an append was not done: name, writer. No row when there is no stream. */
    appendState: look(
      "an append",
      `SELECT s.epoch, s.ended, ${IS_FORGOTTEN} AS forgotten, ${lastCall("$2")} AS last_call,
  (s.writers -> $2::text ->> 1)::bigint AS last_head
FROM ${streams} s WHERE s.key = ${KEY}`,
    ),

    /** A page: name, after, limit. A row for each event, or one without; none when there is no stream. */
    read: look(
      "a read",
      `SELECT s.epoch, s.head, s.ended, f.floor, e.seq, e.payload
FROM ${streams} s
CROSS JOIN LATERAL (SELECT ${floor} AS floor) AS f
LEFT JOIN LATERAL (
  SELECT seq, payload FROM ${events}
  WHERE epoch = s.epoch AND seq >= greatest(f.floor, $2::bigint + 1)
  ORDER BY seq LIMIT $3::bigint
) AS e ON true
WHERE s.key = ${KEY} AND NOT ${IS_FORGOTTEN}
ORDER BY e.seq`,
    ),

    /** Name, writer, call: an end that the same log's later calls have overtaken is not done. */
    end: write(
      "an end",
      `UPDATE ${streams} AS s SET ended = true
WHERE s.key = ${KEY} AND NOT s.ended AND ${lastCall("$2")} < $3::bigint AND NOT ${IS_FORGOTTEN}`,
    ),

    /** Name. */
    epoch: look("a delete", `SELECT s.epoch FROM ${streams} s WHERE s.key = ${KEY}`),

    /** Name, epoch: so that a delete that comes late cannot hit the stream's successor. */
    delete: write(
      "a delete",
      `WITH gone AS (DELETE FROM ${streams} s WHERE s.key = ${KEY} AND s.epoch = $2::text RETURNING s.epoch)
INSERT INTO ${dropped} (epoch) SELECT epoch FROM gone ON CONFLICT DO NOTHING`,
    ),

    /** Name: removes the stream if it is to be taken for one that is not there. */
    forget: write(
      "the removal of an expired stream",
      `WITH gone AS (DELETE FROM ${streams} s WHERE s.key = ${KEY} AND ${IS_FORGOTTEN} RETURNING s.epoch)
INSERT INTO ${dropped} (epoch) SELECT epoch FROM gone ON CONFLICT DO NOTHING`,
    ),

    /** Removes events that are not readable any more: name, how many at most. */
    trim: write(
      "the removal of dropped events",
      `WITH stream AS (
  SELECT s.key, s.epoch, ${floor} AS floor FROM ${streams} s WHERE s.key = ${KEY}
), raised AS (
  UPDATE ${streams} AS s SET floor = stream.floor FROM stream
  WHERE s.key = stream.key AND s.epoch = stream.epoch AND s.floor < stream.floor
), removed AS (
  DELETE FROM ${events} WHERE (epoch, seq) IN (
    SELECT old.epoch, old.seq FROM stream CROSS JOIN LATERAL (
      SELECT e.epoch, e.seq FROM ${events} e WHERE e.epoch = stream.epoch AND e.seq < stream.floor
      ORDER BY e.seq LIMIT $2::bigint
    ) AS old
  ) RETURNING 1
)
SELECT count(*) AS removed FROM removed`,
    ),

    /** The next streams after a key, in hexadecimal, at most so many, and whether there is something to remove. */
    survey: look(
      "the removal of expired streams",
      `SELECT encode(s.key, 'hex') AS key, s.name, ${IS_FORGOTTEN} AS forgotten,
  EXISTS (SELECT FROM ${events} e WHERE e.epoch = s.epoch AND e.seq < (${floor})) AS trimmable
FROM (
  SELECT * FROM ${streams} WHERE key > decode($1::text, 'hex') ORDER BY key LIMIT $2::bigint
) AS s ORDER BY s.key`,
    ),

    /** Removes events of some deleted streams: of how many streams, and how many events of each. */
    clear: write(
      "the removal of deleted streams",
      `WITH chosen AS (
  SELECT epoch FROM ${dropped} LIMIT $1::bigint FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM ${events} WHERE (epoch, seq) IN (
    SELECT old.epoch, old.seq FROM chosen CROSS JOIN LATERAL (
      SELECT e.epoch, e.seq FROM ${events} e WHERE e.epoch = chosen.epoch ORDER BY e.seq LIMIT $2::bigint
    ) AS old
  ) RETURNING epoch
), finished AS (
  DELETE FROM ${dropped} AS d USING chosen
  WHERE d.epoch = chosen.epoch
    AND (SELECT count(*) FROM removed WHERE removed.epoch = chosen.epoch) < $2::bigint
)
SELECT count(*) AS streams FROM chosen`,
    ),

    /** What changes with every change of a stream: names. */
    versions: look(
      "a look for what is new",
      `SELECT s.name, s.epoch || ' ' || s.head || ' ' || s.ended AS version
FROM ${streams} s
WHERE s.key IN (SELECT sha256(convert_to(name, 'UTF8')) FROM unnest($1::text[]) AS name)`,
    ),
  };
}

/*
 * Postgres refuses the NUL character in text, and UTF-8 has nothing for half a surrogate pair. Both are written as
 * U+0001 and four hexadecimal digits, and so is U+0001 itself; everything else is stored as it is, so that a person
 * with `psql` can read it.
 */
const ESCAPE = "\u0001";
// eslint-disable-next-line no-control-regex
const UNSTORABLE = /[\u0000\u0001\p{Surrogate}]/gu;
// eslint-disable-next-line no-control-regex
const ESCAPED = /\u0001([0-9a-f]{4})/g;

/** Any string as text that Postgres takes; different strings give different texts. */
export function toText(value: string): string {
  return value.replace(UNSTORABLE, (unit) => `${ESCAPE}${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The string that was given to {@link toText}. */
export function fromText(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replace(ESCAPED, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}
