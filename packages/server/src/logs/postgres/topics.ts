/** The topic of a stream's notifications: short, since many go in one. Two streams of one topic wake each other. */
export function topicOf(stream: string): string {
  // FNV-1a, 32 bits.
  let hash = 0x811c9dc5;
  for (let index = 0; index < stream.length; index += 1) {
    hash = Math.imul(hash ^ stream.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}

/** The channel of a schema's notifications: a database has one space of channels, and names of at most 63 bytes. */
export function channelOf(schema: string): string {
  return `resumable_mcp_${topicOf(schema)}`;
}
