// Reads the events of one response body, and notices when the connection falls silent.
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { ResumeError } from "../errors.js";
import { Watchdog } from "./watchdog.js";

export interface EventReader {
  /** Takes one event. What it returns is awaited before anything more is read: back-pressure. */
  readonly onEvent: (event: EventSourceMessage) => Promise<void> | undefined;
  readonly onRetry: (ms: number) => void;
  /** Whether to go on reading: `false` after the final response. */
  readonly wantsMore: () => boolean;
  /** Whether silence may be taken for death, given whether the server was seen to send keep-alives. */
  readonly isWatched: (hasRhythm: boolean) => boolean;
  readonly silenceMs: number;
  /** The largest event, in characters. */
  readonly maxEventLength: number;
}

/**
 * Reads one response body to its end. Returns when it ended, or when the reader wants no more.
 *
 * An event without a `data` field is not seen, its id included: eventsource-parser leaves it out. MCP primes streams
 * with an empty `data` field (2025-11-25, Transports); where a server leaves the field out, a resume asks from the
 * position before, which brings the same messages.
 *
 * @throws {ResumeError} `protocol` for an event over the limit; else whatever broke the connection, or
 * `signal.reason`.
 */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  reader: EventReader,
  signal: AbortSignal,
): Promise<void> {
  const events: EventSourceMessage[] = [];
  const watchdog = new Watchdog(reader.silenceMs);
  let violation: ResumeError | undefined;
  const parser = createParser({
    maxBufferSize: reader.maxEventLength,
    onEvent: (event) => events.push(event),
    onRetry: reader.onRetry,
    onComment: () => watchdog.comment(),
    onError: (error) => {
      if (error.type !== "max-buffer-size-exceeded") return;
      violation = new ResumeError("protocol", `An event is larger than ${reader.maxEventLength} characters`);
    },
  });
  const decoder = new TextDecoder();
  // Not async iteration: WebKit's ReadableStream has none.
  const chunks = body.getReader();
  let wasCancelled = false;
  const isCancelled = (): boolean => wasCancelled;
  const cancel = (): void => {
    wasCancelled = true;
    chunks.cancel(signal.reason).catch(() => undefined);
  };
  signal.addEventListener("abort", cancel);
  watchdog.signal.addEventListener("abort", cancel);
  // It may have been aborted since the request was answered, as by whoever was told of that.
  if (signal.aborted) cancel();
  try {
    for (;;) {
      if (reader.isWatched(watchdog.hasRhythm)) watchdog.watch();
      const { done, value } = await chunks.read();
      watchdog.rest();
      signal.throwIfAborted();
      watchdog.signal.throwIfAborted();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      for (const event of events.splice(0)) {
        const taken = reader.onEvent(event);
        if (taken !== undefined) await taken;
        // A flag first: to ask a signal costs more than the rest of the turn, and this runs for each event.
        if (isCancelled()) signal.throwIfAborted();
        if (!reader.wantsMore()) return;
      }
      if (violation !== undefined) throw violation;
    }
  } finally {
    watchdog.stop();
    signal.removeEventListener("abort", cancel);
    watchdog.signal.removeEventListener("abort", cancel);
    cancel();
  }
}
