import { LUA_NOW, LUA_OLDEST, LUA_STATE } from "./lua.js";
import { Script } from "./script.js";

/** A page ends early when its payloads are more than so many bytes; one event always fits. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** Events are fetched in portions of at most so many, fewer when they are large: the server holds each a second time. */
const MAX_PORTION = 128;

/*
 * KEYS: state and events. ARGV: the mark; the position to read after; how many events at most. Answers with nothing more
 * than the mark when there is no stream, else with epoch, head, floor, whether it has ended (1 or 0), the seq of the first event of the
 * page, and the payloads. Writes nothing, so that it works where writing does not.
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
local from = math.max(after + 1, floor)
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
