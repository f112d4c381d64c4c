/*
 * What the scripts share. The server runs each script as a whole, so all of it is one step to everybody else.
 *
 * The state of a stream is a hash: `epoch`, `head` (its seq), `at` (the time of the last append), `bytes` (of all
 * payloads ever appended), `floor` and `floorBytes` (the oldest seq that bytes, age or a change of retention have left,
 * and the payload bytes before it), `retention`, `ended`, `due`, and `w:…` for each writer.
 *
 * An event is an entry of a Redis Stream: the id is `<seq>-<time>`, so that it is found by its seq and knows its age;
 * the fields are `b`, the payload bytes before it, and `p`, the payload.
 */

/** Sets `now`: the server's time, in milliseconds. */
export const LUA_NOW = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`;

/** Reads a retention: its limits as numbers, nil for none. */
export const LUA_LIMITS = `
local function limits(retention)
  local maxEvents, maxBytes, ttl, forget = string.match(retention, '^(%S+) (%S+) (%S+) (%S+)$')
  return tonumber(maxEvents), tonumber(maxBytes), tonumber(ttl), tonumber(forget)
end
`;

/**
 * Whether a stream is to be forgotten, head and all: an ended one with its newest event, another one some time after.
 * Needs `now` and `limits`.
 */
export const LUA_IS_FORGOTTEN = `
local function isForgotten(retention, ended, at)
  local _, _, ttl, forget = limits(retention)
  local limit = forget
  if ended then limit = ttl end
  return limit ~= nil and now - tonumber(at) > limit
end
`;

/**
 * Finds the oldest event that is still there from a seq on: returns its seq, and the payload bytes before it. Events
 * expire in order, so the first one that has not is found by halving. Needs `now`.
 */
export const LUA_OLDEST = `
local function entryFrom(events, seq)
  local entry = redis.call('XRANGE', events, string.format('%d-0', seq), '+', 'COUNT', 1)[1]
  if not entry then return nil end
  local found, at = string.match(entry[1], '^(%d+)-(%d+)$')
  return tonumber(found), tonumber(at), tonumber(entry[2][2])
end

local function oldest(events, from, head, ttl)
  local seq, at, before = entryFrom(events, from)
  if not seq then return head + 1 end
  if not ttl or now - at <= ttl then return seq, before end
  local expired, fresh = seq, head + 1
  local freshBefore
  while fresh - expired > 1 do
    local middle = math.floor((expired + fresh) / 2)
    local _, middleAt, middleBefore = entryFrom(events, middle)
    if not middleAt or now - middleAt <= ttl then
      fresh, freshBefore = middle, middleBefore
    else
      expired = middle
    end
  end
  return fresh, freshBefore
end
`;
