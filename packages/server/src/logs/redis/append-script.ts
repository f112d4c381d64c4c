// Holds the Lua script that appends batches of events, each to a stream of its own.

import { LUA_OLDEST, LUA_STATE, Script } from "./scripts.js";

/** Answered instead of a state: the stream has ended. */
export const ENDED = "ended";
/** Answered instead of a state: a later call of the same writer has been stored already, so this one comes too late. */
export const LATE = "late";
/** Answered instead of a state: the stream is not in the state that the batch before this one was to leave. */
export const UNEXPECTED = "unexpected";

/** A stream remembers the last calls of so many writers, those whose calls are the newest. */
const MAX_WRITERS = 32;

/** A time that never comes. */
const NEVER = 9_007_199_254_740_991;

/** What a call has to do where a stream is not in the state that its writer expects. Sets `work`. */
const WORK = `
  local now = tonumber(time)
  ${LUA_STATE}
  ${LUA_OLDEST}
  local writer, callText, retention = string.match(ARGV[2], '^(%S+) (%d+) (.+)$')
  local number = tonumber(callText)

  local function lastCallIn(state)
    return tonumber(string.match(',' .. state.writers, ',' .. writer .. ':(%d+):'))
  end

  -- Notes this call, as the newest.
  local function noteCall(state)
    local writers = { string.format('%s:%d:%d', writer, number, state.head) }
    for each in string.gmatch(state.writers, '%x+:%d+:%d+') do
      if #writers < ${MAX_WRITERS} and string.sub(each, 1, #writer) ~= writer then writers[#writers + 1] = each end
    end
    state.writers = table.concat(writers, ',')
  end

  local function create(key, events)
    if call('EXISTS', events) == 1 then call('DEL', events) end
    local epoch = string.sub(redis.sha1hex(ARGV[2] .. ' ' .. key), 1, 24)
    local state = { epoch = epoch, head = 0, bytes = 0, floor = 1, floorBytes = 0, writers = '-', at = 0 }
    limits(state, retention)
    return state
  end

  local function dropBelow(events, state, seq, before)
    if seq <= state.floor then return end
    state.floor, state.floorBytes = seq, before
    call('XTRIM', events, 'MINID', string.format('%d-0', seq))
  end

  -- The newest events are lost, and the writer knows how many there were.
  local function goOnAfter(events, state, expected)
    state.head, state.bytes = expected.head, expected.bytes
    dropBelow(events, state, expected.head + 1, expected.bytes)
  end

  local function dropBytes(events, state)
    local seq, before = state.floor, state.bytes
    if state.maxEvents then seq = math.max(seq, state.head - state.maxEvents + 1) end
    local count = 2
    local fits = false
    while not fits and seq <= state.head do
      local page = call('XRANGE', events, string.format('%d-0', seq), '+', 'COUNT', count)
      if #page == 0 then seq = state.head + 1 end
      for i = 1, #page do
        local found, foundBefore = string.match(page[i][1], '^(%d+)-(%d+)$')
        seq = tonumber(found)
        fits = state.bytes - foundBefore <= state.maxBytes
        if fits then
          before = tonumber(foundBefore)
          break
        end
        seq = seq + 1
      end
      count = math.min(count * 2, 64)
    end
    dropBelow(events, state, seq, before)
  end

  work = function(key, events, known, expectedText, first, last)
    local state
    if known then
      state = parse(known)
      local last = lastCallIn(state)
      if last and last >= number then return last == number and known or '${LATE}' end
      if expectedText ~= '' then
        local expected = parse(expectedText .. ' 0')
        local wanted = lastCallIn(expected) or 0
        local _, others = string.gsub(state.writers, ',', '')
        local isLost = last and last < wanted or not last and wanted > 0 and others + 1 < ${MAX_WRITERS}
        if isLost and state.epoch == expected.epoch then
          local isOnlyWriter = state.writers == '-' or last and others == 0
          if isOnlyWriter then goOnAfter(events, state, expected) else state = nil end
        end
      end
      if state and isForgotten(state) then state = nil end
      if state and state.ended then return '${ENDED}' end
    end
    if state then
      -- What the retention so far has dropped stays dropped, whatever the new one allows.
      if state.retention ~= retention or now >= state.due then dropBelow(events, state, oldest(events, state)) end
      limits(state, retention)
    else
      state = create(key, events)
    end
    state.at = math.max(now, state.at)
    local stateTime = string.format('%d', state.at)
    for i = first, last do
      state.head = state.head + 1
      local id = string.format('%d-%d', state.head, state.bytes)
      if state.maxEvents then
        call('XADD', events, 'MAXLEN', '~', maxEvents, id, stateTime, ARGV[i])
      else
        call('XADD', events, id, stateTime, ARGV[i])
      end
      state.bytes = state.bytes + #ARGV[i]
    end
    if state.maxBytes and state.bytes - state.floorBytes > state.maxBytes then dropBytes(events, state) end
    noteCall(state)
    state.due = ${NEVER}
    local keepState, keepEvents
    if state.ttl then
      local slack = math.max(1000, math.floor(state.ttl / 8))
      state.due = now + math.min(slack, state.ttl)
      keepEvents = state.ttl + slack
      keepState = state.forget and state.forget + slack
    end
    local text = format(state)
    if keepState then
      call('SET', key, text, 'PX', string.format('%d', keepState))
    else
      call('SET', key, text)
    end
    if keepEvents then
      call('PEXPIRE', events, string.format('%d', keepEvents))
    else
      call('PERSIST', events)
    end
    call('PUBLISH', key, wake)
    return text
  end
`;

/*
 * KEYS: state and events of each stream. ARGV: the mark; writer, call, retention; the wake-up message; maxEvents;
 * whether the batches follow others (1 or 0); then for each stream: how many events; the state that the writer expects;
 * the state that the events lead to, both but for their last word, the time; until when that is right; the id of the
 * first event; and the payloads. A writer that does not know the state expects nothing.
 *
 * Where a stream is in the state that the writer expects, all is settled: the events are added as they are given, and
 * the answer is the time. That is so as long as nobody else appends, and costs the server about as much as the bare
 * commands. In any other case the script works it out for itself, and the answer is the new state.
 *
 * A batch that follows another one was sent before that one was answered. It expects the state which that one leads to,
 * this writer's call among it, and where it does not find that it is not stored.
 *
 * - A call that comes a second time, since its answer was lost, finds itself among the writers' last calls, and is not
 *   stored twice. This is looked at before anything is written, so that an error at the first write means that the call
 *   is not stored at all.
 * - When a writer's last answered call is not there, the server has lost the newest events (a crash, a failover), and
 *   their numbers must not be given to others: a reader who has them would never see those. If the stream has no other
 *   writer, it goes on after the highest number given, so that for who has read everything nothing has happened, and
 *   the others find a gap. Else it begins anew.
 * - The keys live somewhat longer than what they hold, so that not every append has to put their expiry off.
 * - Trimming by count is approximate, as whole nodes are cheaper to cut off; reads do not go below head - maxEvents.
 */
export const APPEND = new Script(
  "append",
  true,
  `
local call = redis.call
local clock = call('TIME')
-- The same as a text, in milliseconds: 13 digits until the year 2286, so that texts compare as numbers do.
local time = clock[1] .. string.sub('00000' .. clock[2], -6, -4)
local wake, maxEvents, isFollowing = ARGV[3], ARGV[4], ARGV[5] == '1'
local work

local answers = { ARGV[1] }
local arg = 6
for stream = 1, #KEYS / 2 do
  local key, events = KEYS[2 * stream - 1], KEYS[2 * stream]
  local count, expected = tonumber(ARGV[arg]), ARGV[arg + 1]
  local known = call('GET', key)
  local first, last = arg + 5, arg + 4 + count
  local isExpected = known and string.sub(known, 1, -15) == expected
  if isExpected and time >= string.sub(known, -13) and time < ARGV[arg + 3] then
    local id = ARGV[arg + 4]
    if count > 1 then
      local format, arguments = string.format, ARGV
      local seq, before = string.match(id, '^(%d+)-(%d+)$')
      for i = first, last - 1 do
        local payload = arguments[i]
        call('XADD', events, id, time, payload)
        seq, before = seq + 1, before + #payload
        id = format('%d-%d', seq, before)
      end
    end
    if maxEvents == '-' then
      call('XADD', events, id, time, ARGV[last])
    else
      call('XADD', events, 'MAXLEN', '~', maxEvents, id, time, ARGV[last])
    end
    call('SET', key, ARGV[arg + 2] .. ' ' .. time, 'KEEPTTL')
    call('PUBLISH', key, wake)
    answers[stream + 1] = time
  elseif isFollowing then
    answers[stream + 1] = '${UNEXPECTED}'
  else
    if not work then
${WORK}
    end
    answers[stream + 1] = work(key, events, known, expected, first, last)
  end
  arg = last + 1
end
return answers
`,
);
