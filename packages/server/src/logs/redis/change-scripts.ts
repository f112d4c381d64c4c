import { LUA_NOW, LUA_STATE } from "./lua.js";
import { Script } from "./script.js";

/*
 * KEYS: state and events. ARGV: the mark; the wake-up message. The stream is kept until its newest event has outlived the ttl,
 * or for ever without one.
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
