// Prepares the log's SQL statements, and encodes the text that they store.
import type { SqliteDatabase } from "./database.js";

/*
 * A stream's state in one statement, which is one snapshot: its own row, its newest event's row, and the oldest row
 * that is there and was not dropped.
 */
const STREAM_STATE = `
  SELECT s.id, s.epoch, s.ended, n.seq AS head, n.at AS head_at, n.floor, n.ttl_ms, n.head_ttl_ms,
    n.bytes_before + n.bytes AS bytes, o.seq AS oldest, o.at AS oldest_at
  FROM resumable_mcp_streams s
  JOIN resumable_mcp_events n
    ON n.stream = s.id AND n.seq = (SELECT max(seq) FROM resumable_mcp_events WHERE stream = s.id)
  LEFT JOIN resumable_mcp_events o
    ON o.stream = s.id
    AND o.seq = (SELECT min(seq) FROM resumable_mcp_events WHERE stream = s.id AND seq >= n.floor)`;

/*
 * The guard makes the append safe without a look at the stream before it: it takes effect only on the stream, and on
 * the head, that this process knows. Otherwise another process was here. The row is named, since better-sqlite3 takes
 * numbered parameters for names, and they could not be given by their places.
 */
const APPEND = `
  INSERT INTO resumable_mcp_events (stream, seq, floor, at, ttl_ms, head_ttl_ms, bytes_before, bytes, payload)
  SELECT * FROM (SELECT ? AS stream, ? AS seq, ?, ?, ?, ?, ?, ?, ?) AS new
  WHERE (SELECT max(seq) FROM resumable_mcp_events WHERE stream = new.stream) = new.seq - 1
    AND (SELECT ended FROM resumable_mcp_streams WHERE id = new.stream AND name IS NOT NULL) = 0`;

const FIRST_APPEND = `
  INSERT INTO resumable_mcp_events (stream, seq, floor, at, ttl_ms, head_ttl_ms, bytes_before, bytes, payload)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export type Statements = ReturnType<typeof prepareStatements>;

/** The log's statements, prepared once per handle. */
export function prepareStatements(database: SqliteDatabase) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    begin: prepare("BEGIN IMMEDIATE"),
    commit: prepare("COMMIT"),
    dataVersion: prepare("PRAGMA data_version"),
    stream: prepare(`${STREAM_STATE} WHERE s.name = ?`),
    streamsAfter: prepare(`${STREAM_STATE} WHERE s.id > ? AND s.name IS NOT NULL ORDER BY s.id LIMIT ?`),
    create: prepare("INSERT INTO resumable_mcp_streams (name, epoch) VALUES (?, ?) RETURNING id"),
    end: prepare("UPDATE resumable_mcp_streams SET ended = 1 WHERE id = ?"),
    unname: prepare("UPDATE resumable_mcp_streams SET name = NULL WHERE name = ?"),
    unnameById: prepare("UPDATE resumable_mcp_streams SET name = NULL WHERE id = ?"),
    firstDeleted: prepare("SELECT id FROM resumable_mcp_streams WHERE name IS NULL ORDER BY id LIMIT 1"),
    remove: prepare("DELETE FROM resumable_mcp_streams WHERE id = ?"),
    firstAppend: prepare(FIRST_APPEND),
    append: prepare(APPEND),
    // Without the seq, which follows from the place in a range without holes: half as much to hand over.
    page: prepare(
      "SELECT payload FROM resumable_mcp_events WHERE stream = ? AND seq BETWEEN ? AND ? ORDER BY seq",
    ),
    at: prepare("SELECT at FROM resumable_mcp_events WHERE stream = ? AND seq = ?"),
    fromBytes: prepare(
      "SELECT seq, bytes_before FROM resumable_mcp_events WHERE stream = ? AND seq >= ? AND bytes_before >= ? ORDER BY seq LIMIT 1",
    ),
    oldest: prepare("SELECT min(seq) AS seq FROM resumable_mcp_events WHERE stream = ?"),
    trim: prepare("DELETE FROM resumable_mcp_events WHERE stream = ? AND seq < ?"),
    forgetPayload: prepare(
      "UPDATE resumable_mcp_events SET payload = NULL, floor = seq + 1 WHERE stream = ? AND seq = ? AND payload IS NOT NULL",
    ),
  };
}

/*
 * Names and payloads are stored as they are, so that a person with the `sqlite3` shell can read them. But `libsql`
 * cuts text off at a NUL character, and aborts the process on bytes. So a text with a NUL, or with our mark at its
 * start, is stored behind the mark, with both characters escaped.
 */
const MARK = "\u0001";
const MARK_UNIT = 1;
const ESCAPED_MARK = `${MARK}1`;
const ESCAPED_NUL = `${MARK}0`;
const LONE_SURROGATES = /\p{Surrogate}/gu;

export function encodeText(text: string): string {
  if (!text.includes("\0") && !text.startsWith(MARK)) return text;
  return escaped(text);
}

/** A stream's name as text. UTF-8 has nothing for half a surrogate pair, and no two names may become one. */
export function encodeName(name: string): string {
  if (name.search(LONE_SURROGATES) === -1) return encodeText(name);
  return escaped(name).replace(LONE_SURROGATES, (unit) => `${MARK}u${unit.charCodeAt(0).toString(16)}`);
}

function escaped(text: string): string {
  return MARK + text.replaceAll(MARK, ESCAPED_MARK).replaceAll("\0", ESCAPED_NUL);
}

export function decodeText(stored: unknown): string {
  if (typeof stored !== "string") throw new TypeError(`A stored payload must be text, not ${typeof stored}.`);
  if (stored.charCodeAt(0) !== MARK_UNIT) return stored;
  return stored.slice(MARK.length).replaceAll(ESCAPED_NUL, "\0").replaceAll(ESCAPED_MARK, MARK);
}
