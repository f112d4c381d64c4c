import { LUA_IS_FORGOTTEN, LUA_LIMITS, LUA_NOW, LUA_OLDEST } from "./lua.js";
import { Script } from "./script.js";

/** In place of a head: the stream has ended. */
export const ENDED = "ended";
/** In place of a head: a later call of the same writer has been stored already, so this one comes too late. */
export const LATE = "late";

/** When more writers than this come together on a stream, those that are behind are forgotten, down to half. */
const MAX_WRITERS = 128;

/*
 * KEYS: state and events of each stream. ARGV: the writer's field; the call's number, which the writer raises with
 * each call; the wake-up message; retention, maxEvents and maxBytes; then for each stream how many payloads, and they.
 * Answers for each stream with its epoch and head, or with an empty epoch and the reason why nothing was stored.
 *
 * A stream remembers the last call of each writer. A call that comes a second time, since its answer was lost, finds
 * itself there and gets the same answer; it is not stored twice. This is looked at before anything is written, so that
 * an error of the server at the first write means that the call is not stored at all.
 *
 * What is rare (a new stream, another retention, an end, expiry) is behind `due`: before that time the stream is not to
 * be forgotten, and its keys live long enough. They live somewhat longer than what they hold, so that not every append
 * has to put their expiry off; reads are exact all the same.
 *
 * Trimming by count is approximate, as whole nodes are cheaper to cut off; reads do not go below `head - maxEvents`.
 * Trimming by bytes needs the sizes of the oldest events, and looks at them only when `bytes - floorBytes`, which can
 * only be too large, is over the limit.
 */
export const APPEND = new Script(
  "append",
  true,
  `${LUA_NOW}
local writer, call, wake, retention = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local maxEvents, maxBytes = tonumber(ARGV[5]), tonumber(ARGV[6])

local function forgetOldestWriters(state)
  local all = redis.call('HGETALL', state)
  local heads = {}
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'w:' then
      heads[#heads + 1] = { all[i], tonumber(string.match(all[i + 1], '%d+$')) }
    end
  end
  table.sort(heads, function(a, b) return a[2] > b[2] end)
  for i = ${MAX_WRITERS / 2} + 1, #heads do redis.call('HDEL', state, heads[i][1]) end
end

-- Drops the oldest events until the others fit into maxBytes.
local function trimByBytes(state, events, head, bytes)
  local floor = tonumber(redis.call('HGET', state, 'floor'))
  if maxEvents then floor = math.max(floor, head - maxEvents + 1) end
  local floorBytes = bytes
  local step = 2
  local fits = false
  while not fits and floor <= head do
    local page = redis.call('XRANGE', events, string.format('%d-0', floor), '+', 'COUNT', step)
    if #page == 0 then floor = head + 1 end
    for i = 1, #page do
      local before = tonumber(page[i][2][2])
      floor = tonumber(string.match(page[i][1], '^%d+'))
      if bytes - before <= maxBytes then
        floorBytes = before
        fits = true
        break
      end
      floor = floor + 1
    end
    step = math.min(step * 2, 64)
  end
  redis.call('HSET', state, 'floor', string.format('%d', floor), 'floorBytes', string.format('%d', floorBytes))
  redis.call('XTRIM', events, 'MINID', string.format('%d-0', floor))
end

-- What is rare. Returns the stream's epoch, head, bytes and floorBytes as they are to be gone on with.
local function prepare(state, events, known)
  ${LUA_LIMITS}
  ${LUA_IS_FORGOTTEN}
  ${LUA_OLDEST}
  local epoch, head, at, bytes, floorBytes, oldRetention = known[1], known[2], known[3], known[4], known[5], known[6]
  if epoch then
    local ended = redis.call('HGET', state, 'ended')
    if isForgotten(oldRetention, ended, at) then
      redis.call('DEL', state, events)
      epoch = nil
    elseif ended then
      return nil
    end
  end
  if not epoch then
    epoch = string.sub(redis.sha1hex(writer .. ' ' .. ARGV[2] .. ' ' .. state), 1, 32)
    redis.call('HSET', state, 'epoch', epoch, 'retention', retention, 'floor', '1', 'floorBytes', '0')
    redis.call('DEL', events)
    return epoch, '0', '0', '0'
  end
  -- What the retention so far has dropped stays dropped, whatever the new one allows.
  local oldMaxEvents, _, oldTtl = limits(oldRetention)
  local floor = tonumber(redis.call('HGET', state, 'floor'))
  local from = floor
  if oldMaxEvents then from = math.max(from, tonumber(head) - oldMaxEvents + 1) end
  local seq, before = oldest(events, from, tonumber(head), oldTtl)
  if seq > floor then
    floorBytes = before and string.format('%d', before) or bytes
    redis.call('HSET', state, 'floor', string.format('%d', seq), 'floorBytes', floorBytes)
    redis.call('XTRIM', events, 'MINID', string.format('%d-0', seq))
  end
  if oldRetention ~= retention then redis.call('HSET', state, 'retention', retention) end
  return epoch, head, bytes, floorBytes
end

-- Puts the expiry of the keys off, and says until when that is enough.
local function keepAlive(state, events)
  ${LUA_LIMITS}
  local _, _, ttl, forget = limits(retention)
  local due = 9007199254740991
  if ttl then
    local slack = math.max(1000, math.floor(ttl / 8))
    due = now + math.min(slack, ttl)
    redis.call('PEXPIRE', events, string.format('%d', ttl + slack))
    if forget then redis.call('PEXPIRE', state, string.format('%d', forget + slack)) end
  else
    redis.call('PERSIST', events)
  end
  if not forget then redis.call('PERSIST', state) end
  redis.call('HSET', state, 'due', string.format('%d', due))
end

local answers = {}
local arg = 7
for key = 1, #KEYS, 2 do
  local state, events = KEYS[key], KEYS[key + 1]
  local count = tonumber(ARGV[arg])
  local known = redis.call('HMGET', state, 'epoch', 'head', 'at', 'bytes', 'floorBytes', 'retention', 'due', writer)
  local epoch, head, at, bytes, floorBytes = known[1], known[2], known[3], known[4], known[5]
  local lastCall, lastHead
  if known[8] then
    lastCall, lastHead = string.match(known[8], '^(%d+) (%d+)$')
    lastCall = tonumber(lastCall)
  end
  local isUsual = known[6] == retention and now < tonumber(known[7] or 0)
  if not (lastCall and lastCall >= call) and not isUsual then
    epoch, head, bytes, floorBytes = prepare(state, events, known)
  end
  if lastCall and lastCall >= call then
    answers[key], answers[key + 1] = epoch, lastHead
    if lastCall > call then answers[key], answers[key + 1] = '', '${LATE}' end
  elseif not epoch then
    answers[key], answers[key + 1] = '', '${ENDED}'
  else
    head, bytes = tonumber(head), tonumber(bytes)
    local time = string.format('%d', math.max(now, tonumber(at or 0)))
    for i = arg + 1, arg + count do
      local payload = ARGV[i]
      head = head + 1
      local id = string.format('%d-%s', head, time)
      local before = string.format('%d', bytes)
      if maxEvents then
        redis.call('XADD', events, 'MAXLEN', '~', ARGV[5], id, 'b', before, 'p', payload)
      else
        redis.call('XADD', events, id, 'b', before, 'p', payload)
      end
      bytes = bytes + #payload
    end
    local headText = string.format('%d', head)
    redis.call('HSET', state, 'head', headText, 'at', time, 'bytes', string.format('%d', bytes),
      writer, ARGV[2] .. ' ' .. headText)
    if maxBytes and bytes - tonumber(floorBytes) > maxBytes then trimByBytes(state, events, head, bytes) end
    if not isUsual then keepAlive(state, events) end
    if not known[8] and head > count and redis.call('HLEN', state) > ${MAX_WRITERS} then
      forgetOldestWriters(state)
    end
    redis.call('PUBLISH', state, wake)
    answers[key], answers[key + 1] = epoch, headText
  end
  arg = arg + count + 1
end
return answers
`,
);
