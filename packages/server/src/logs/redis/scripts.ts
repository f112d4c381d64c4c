// Holds the Lua that all scripts share, and the scripts that read, end and delete a stream.

import { EventStoreError } from "../../log/errors.js";
import type { LogEntry, LogPage } from "../../log/event-log.js";

/**
 * A Lua script, which the server knows by its SHA-1 once it has run it. Its first argument is the mark of the call, and
 * so is the first element of its answer.
 */
export class Script {
  /** For error messages. */
  readonly name: string;
  /** Whether it changes anything. */
  readonly isWrite: boolean;
  readonly source: string;
  #sha: string | undefined;

  constructor(name: string, isWrite: boolean, source: string) {
    this.name = name;
    this.isWrite = isWrite;
    this.source = source;
  }

  /** The SHA-1 of the source in hexadecimal, once {@link hash} has found it. */
  get sha(): string | undefined {
    return this.#sha;
  }

  async hash(): Promise<string> {
    this.#sha ??= await sha1(this.source);
    return this.#sha;
  }
}

async function sha1(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  let hex = "";
  for (const byte of new Uint8Array(digest)) hex += byte.toString(16).padStart(2, "0");
  return hex;
}

/*
 * What the scripts share. The server runs each script as a whole, so all of it is one step to everybody else. What the
 * words of a state are, {@link StreamState} says.
 */

/** Sets `now`: the server's time, in milliseconds. */
const LUA_NOW = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`;

/** Reads a stream's state into a table, and a retention into the same fields. Needs `now`. */
export const LUA_STATE = `
local function limits(state, retention)
  local maxEvents, maxBytes, ttl, forget = string.match(retention, '^(%S+) (%S+) (%S+) (%S+)$')
  state.retention = retention
  state.maxEvents, state.maxBytes = tonumber(maxEvents), tonumber(maxBytes)
  state.ttl, state.forget = tonumber(ttl), tonumber(forget)
end

local function parse(text)
  local epoch, head, bytes, floor, floorBytes, due, ended, retention, writers, at =
    string.match(text, '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%S+ %S+ %S+ %S+) (%S+) (%d+)$')
  local state = {
    epoch = epoch, head = tonumber(head), bytes = tonumber(bytes), floor = tonumber(floor),
    floorBytes = tonumber(floorBytes), due = tonumber(due), ended = ended == '1', writers = writers, at = tonumber(at)
  }
  limits(state, retention)
  return state
end

local function format(state)
  return string.format('%s %d %d %d %d %d %d %s %s %d', state.epoch, state.head, state.bytes, state.floor,
    state.floorBytes, state.due, state.ended and 1 or 0, state.retention, state.writers, state.at)
end

-- An ended stream goes with its newest event, another one some time after.
local function isForgotten(state)
  local limit = state.forget
  if state.ended then limit = state.ttl end
  return limit ~= nil and now - state.at > limit
end
`;

/**
 * Finds the oldest event that is to be kept: returns its seq, and the payload bytes before it. Events expire in order,
 * so the first one that has not is found by halving. Needs `now`.
 */
export const LUA_OLDEST = `
local function entryFrom(events, seq)
  local entry = redis.call('XRANGE', events, string.format('%d-0', seq), '+', 'COUNT', 1)[1]
  if not entry then return nil end
  local found, before = string.match(entry[1], '^(%d+)-(%d+)$')
  return tonumber(found), tonumber(before), tonumber(entry[2][1])
end

local function oldest(events, state)
  local from = state.floor
  if state.maxEvents then from = math.max(from, state.head - state.maxEvents + 1) end
  local seq, before, at = entryFrom(events, from)
  if not seq then return state.head + 1, state.bytes end
  if not state.ttl or now - at <= state.ttl then return seq, before end
  local expired, fresh = seq, state.head + 1
  local freshBefore = state.bytes
  while fresh - expired > 1 do
    local middle = math.floor((expired + fresh) / 2)
    local found, middleBefore, middleAt = entryFrom(events, middle)
    if not found or now - middleAt <= state.ttl then
      fresh, freshBefore = middle, middleBefore or freshBefore
    else
      expired = middle
    end
  end
  return fresh, freshBefore
end
`;

/** A page ends early once its payloads come to this many bytes; it holds at least one event. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/**
 * The most events that are fetched at a time; fewer when they are large, since the server holds what it has fetched a
 * second time.
 */
const MAX_PORTION = 128;

/*
 * KEYS: state and events. ARGV: the mark; the position to read after; how many events at most. Answers with the mark
 * alone when there is no stream, else with epoch, head, floor, whether it has ended (1 or 0), the seq of the first
 * event of the page, and the payloads. Writes nothing, so that it works where writing does not.
 */
export const READ = new Script(
  "read",
  false,
  `${LUA_NOW}${LUA_STATE}${LUA_OLDEST}
local known = redis.call('GET', KEYS[1])
if not known then return { ARGV[1] } end
local state = parse(known)
if isForgotten(state) then return { ARGV[1] } end
local events, after, limit = KEYS[2], tonumber(ARGV[2]), tonumber(ARGV[3])
local floor = oldest(events, state)
local from = math.min(math.max(after + 1, floor), state.head + 1)
local page = {
  ARGV[1], state.epoch, string.format('%d', state.head), string.format('%d', floor), state.ended and '1' or '0',
  string.format('%d', from)
}
local portion = math.floor(${MAX_PAGE_BYTES} * state.head / (state.bytes + 1))
portion = math.max(1, math.min(${MAX_PORTION}, portion))
local bytes = 0
while limit > 0 and from <= state.head and bytes < ${MAX_PAGE_BYTES} do
  local count = math.min(limit, portion)
  local entries = redis.call('XRANGE', events, string.format('%d-0', from), '+', 'COUNT', count)
  for i = 1, #entries do
    local payload = entries[i][2][2]
    page[#page + 1] = payload
    bytes = bytes + #payload
    if bytes >= ${MAX_PAGE_BYTES} then break end
  end
  if #entries < count then break end
  from = from + count
  limit = limit - count
end
return page
`,
);

export function parsePage(reply: readonly unknown[]): LogPage | undefined {
  if (reply.length === 1) return undefined;
  const [, epoch, head, floor, ended, first, ...payloads] = texts(reply);
  if (epoch === undefined || first === undefined) throw unexpectedReply(reply);
  const firstSeq = numberOf(first, reply);
  const entries = payloads.map((payload, index): LogEntry => ({ seq: firstSeq + index, payload }));
  return {
    entries,
    head: { epoch, seq: numberOf(head, reply) },
    floor: numberOf(floor, reply),
    ended: ended === "1",
  };
}

function texts(reply: readonly unknown[]): readonly string[] {
  if (reply.every((item) => typeof item === "string")) return reply;
  throw unexpectedReply(reply);
}

function numberOf(text: string | undefined, reply: unknown): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw unexpectedReply(reply);
}

export function unexpectedReply(reply: unknown): EventStoreError {
  return new EventStoreError(
    "backend",
    `Redis gave an answer that the log's scripts never give: ${JSON.stringify({ reply }).slice(0, 200)}`,
  );
}

/*
 * KEYS: state and events. ARGV: the mark; the wake-up message. The stream is kept until its newest event has outlived
 * the ttl, or for ever without one.
 */
export const END = new Script(
  "end",
  true,
  `${LUA_NOW}${LUA_STATE}
local known = redis.call('GET', KEYS[1])
if not known then return { ARGV[1] } end
local state = parse(known)
if state.ended or isForgotten(state) then return { ARGV[1] } end
state.ended = true
state.due = 0
if state.ttl then
  -- A second more, since an event that is as old as the ttl is still returned.
  local left = string.format('%d', math.max(0, state.at + state.ttl - now) + 1000)
  redis.call('SET', KEYS[1], format(state), 'PX', left)
  redis.call('PEXPIRE', KEYS[2], left)
else
  redis.call('SET', KEYS[1], format(state))
end
redis.call('PUBLISH', KEYS[1], ARGV[2])
return { ARGV[1] }
`,
);

/* KEYS: state and events. ARGV: the mark; the wake-up message. */
export const DELETE = new Script(
  "delete",
  true,
  `
local removed = redis.call('UNLINK', KEYS[1], KEYS[2])
if removed > 0 then redis.call('PUBLISH', KEYS[1], ARGV[2]) end
return { ARGV[1] }
`,
);
