/*
 * What the scripts share. The server runs each script as a whole, so all of it is one step to everybody else.
 *
 * The state of a stream is one string, so that it is compared, read and written as a whole. Its words, in order:
 *
 * - epoch
 * - head: the newest seq
 * - bytes: of all payloads ever appended
 * - floor: what is below this seq was dropped for its bytes, its age, or by an earlier retention; what the count drops
 *   follows from the head
 * - floorBytes: the payload bytes before the floor; too few once the count has dropped more
 * - due: until then, in milliseconds, the stream is not to be forgotten, and its keys live long enough
 * - ended: 1 or 0
 * - maxEvents, maxBytes, ttl, forget: the retention, `-` for no limit; `forget` is when the head goes too
 * - writers: `<writer>:<call>:<head>` for each, with commas: its last call and the seq that it came to; `-` for none
 * - at: when it was last appended to, in milliseconds
 *
 * An event is an entry of a Redis Stream. Its id is `<seq>-<payload bytes before it>`, so that it is found by its seq
 * and tells how much is kept from it on; its one field has the time of the append as its name, and the payload as its
 * value.
 */

/** Sets `now`: the server's time, in milliseconds. */
export const LUA_NOW = `
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
