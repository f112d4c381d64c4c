// Counts from the proxy's log where a run's connections were cut.
import type { EventStore } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { isCutInMidStream, type ProxyEvent } from "@resumable-mcp/testing/fault-proxy";

/** One replay that a server made. */
export interface Replay {
  readonly lastEventId: string;
  /** Bytes of the replayed events as the SDK writes them, without the head and the framing around them. */
  readonly bytes: number;
}

/** Notes each replay of an event store that has something to replay, and changes nothing. */
export function noteReplays(store: EventStore, replays: Replay[]): EventStore {
  return {
    storeEvent: (streamId, message) => store.storeEvent(streamId, message),
    ...(store.getStreamIdForEventId && {
      getStreamIdForEventId: (eventId: string) =>
        store.getStreamIdForEventId?.(eventId) ?? Promise.resolve(undefined),
    }),
    async replayEventsAfter(lastEventId, { send }) {
      let bytes = 0;
      const streamId = await store.replayEventsAfter(lastEventId, {
        send: (eventId, message) => {
          const frame = `event: message\nid: ${eventId}\ndata: ${JSON.stringify(message)}\n\n`;
          bytes += Buffer.byteLength(frame);
          return send(eventId, message);
        },
      });
      if (bytes > 0) replays.push({ lastEventId, bytes });
      return streamId;
    },
  };
}

/**
 * The connections that were reset in the middle of a replay: some of the answer had gone down, but, its head counted
 * in, less than the shortest replay from that cursor is long.
 */
export function cutsDuringReplay(log: readonly ProxyEvent[], replays: readonly Replay[]): number {
  const shortest = new Map<string, number>();
  for (const { lastEventId, bytes } of replays) {
    shortest.set(lastEventId, Math.min(bytes, shortest.get(lastEventId) ?? Infinity));
  }
  return log.filter((event) => {
    if (event.type !== "cut" || event.request?.kind !== "resume") return false;
    const { bytesDown, lastEventId = "" } = event.request;
    return bytesDown > 0 && bytesDown < (shortest.get(lastEventId) ?? 0);
  }).length;
}

/** The connections that were reset while the stream of a call was on its way, whether its first or a resumed one. */
export function cutsInMidStream(log: readonly ProxyEvent[]): number {
  return log.filter(
    (event) => isCutInMidStream(event) && event.type === "cut" && event.request?.kind !== "get",
  ).length;
}

/** The connections that were reset before a call's answer, or in its head: no event id can have come. */
export function cutsBeforeCursor(log: readonly ProxyEvent[]): number {
  return log.filter(
    (event) =>
      event.type === "cut" &&
      event.request?.kind === "post" &&
      (event.request.answer === "none" || event.request.answer === "head"),
  ).length;
}

/** More than the head and the first event of an answer take, and less than they take together with ten messages. */
const EARLY_BYTES = 1000;

/**
 * How many calls' answers may have broken when they had hardly begun, so that their client may have no cursor: the
 * connections that were reset then, the requests that the proxy answered itself, and those that it turned away.
 */
export function postsMaybeUnanswered(log: readonly ProxyEvent[]): number {
  return log.filter((event) => {
    if (event.type === "refused") return true;
    if (event.type !== "cut" && event.type !== "answered") return false;
    const { request } = event;
    // A connection that was idle may have had the next request on its way.
    if (request === undefined || request.answer === "complete") return true;
    return request.kind === "post" && request.bytesDown < EARLY_BYTES;
  }).length;
}
