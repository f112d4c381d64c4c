/*
 * Redis Cluster places a key by what stands between the first `{` and the `}` after it. So braces are escaped, the
 * sign that escapes them too, and lone surrogates, which UTF-8 cannot hold.
 */
const ESCAPED = /[%{}]|\p{Surrogate}/gu;

/** The keys of one stream, in the same slot of a cluster. */
export interface StreamKeys {
  /** A string; lua.ts lists its words. Its name is the wake-up channel too. */
  readonly state: string;
  /** A Redis Stream: the events. An entry's id is the event's seq, then the bytes of all payloads before it. */
  readonly events: string;
}

/** Where a stream lies. Different streams have different keys, whatever their names. */
export function keysOf(prefix: string, stream: string): StreamKeys {
  // An empty tag would be none. The sign alone is never the escaped form of anything.
  const tag = stream === "" ? "%" : stream.replace(ESCAPED, escapeUnit);
  return { state: `${prefix}{${tag}}:state`, events: `${prefix}{${tag}}:events` };
}

function escapeUnit(unit: string): string {
  return `%${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
