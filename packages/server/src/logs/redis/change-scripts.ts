import { LUA_IS_FORGOTTEN, LUA_LIMITS, LUA_NOW } from "./lua.js";
import { Script } from "./script.js";

/*
 * KEYS: state and events. ARGV: the wake-up message. The stream is kept until its newest event has outlived the ttl,
 * and `due` is past, so that the next append looks closer.
 */
export const END = new Script(
  "end",
  true,
  `${LUA_NOW}${LUA_LIMITS}${LUA_IS_FORGOTTEN}
local state, events = KEYS[1], KEYS[2]
local epoch, at, retention, ended = unpack(redis.call('HMGET', state, 'epoch', 'at', 'retention', 'ended'))
if not epoch or ended or isForgotten(retention, ended, at) then return 0 end
redis.call('HSET', state, 'ended', '1', 'due', '0')
local _, _, ttl = limits(retention)
if ttl then
  -- A second more, since an event that is as old as the ttl is still returned.
  local left = string.format('%d', math.max(0, tonumber(at) + ttl - now) + 1000)
  redis.call('PEXPIRE', state, left)
  redis.call('PEXPIRE', events, left)
end
redis.call('PUBLISH', state, ARGV[1])
return 1
`,
);

/* KEYS: state and events. ARGV: the wake-up message. */
export const DELETE = new Script(
  "delete",
  true,
  `
local removed = redis.call('UNLINK', KEYS[1], KEYS[2])
if removed > 0 then redis.call('PUBLISH', KEYS[1], ARGV[1]) end
return removed
`,
);
