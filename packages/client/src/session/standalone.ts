import type { Acknowledgements } from "../state/acknowledgements.js";
import { ResumeError } from "../errors.js";
import type { StreamName } from "../events.js";
import { follow } from "../wait/abortable.js";
import type { JsonRpcMessage } from "../json-rpc.js";
import type { Origin } from "./server-requests.js";
import type { Session } from "./session.js";
import type { SessionKeeper } from "./session-keeper.js";
import type { SessionState } from "../state/session-state.js";
import { StreamCursor } from "../stream/cursor.js";
import { runStream } from "../stream/loop.js";
import type { Link, StreamTask } from "../stream/task.js";

/** What the streams of a transport have in common. */
export interface StreamsOptions {
  readonly state: SessionState;
  readonly acknowledgements: Acknowledgements;
  readonly keeper: SessionKeeper;
  readonly link: Link;
  readonly signal: AbortSignal;
  readonly receive: (message: JsonRpcMessage, origin: Origin) => void;
  readonly onCursor: (stream: StreamName, eventId: string, persisted: boolean) => void;
  readonly onError: (error: Error) => void;
}

const STREAM: StreamName = { id: undefined, method: undefined };

/** The session's standalone stream: what the server sends that answers no request. */
export class Standalone {
  readonly #options: StreamsOptions;
  #abort: AbortController | undefined;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** Opens the stream, if it is not open. A server that offers none answers 405; that is no error. */
  start(): void {
    if (this.#abort !== undefined || this.#options.signal.aborted) return;
    const abort = follow(this.#options.signal);
    this.#abort = abort;
    void this.#listen(abort.signal).finally(() => abort.abort());
  }

  /** Opens it in the new session, from its beginning. */
  restart(): void {
    if (this.#abort === undefined) return;
    this.#abort.abort();
    this.#abort = undefined;
    this.start();
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { keeper, link, onError, state } = this.#options;
    const cursor = new StreamCursor(state.record.listenCursor);
    const session = keeper.current;
    const task: StreamTask = {
      session,
      request: undefined,
      cursor,
      isResendable: () => true,
      take: (messages) => this.#take(session, cursor, messages),
    };
    try {
      await runStream(task, link, signal);
    } catch (error) {
      if (signal.aborted) return;
      const isLost = error instanceof ResumeError && error.code === "session-lost";
      try {
        // A new session restarts this stream by itself.
        if (!isLost) throw error;
        await keeper.replace(session, error);
      } catch (cause) {
        if (this.#options.signal.aborted) return;
        // It waits for a login, or for the network to be back: `start()` opens it again.
        // A 403 says that no login helps.
        const isWaiting = cause instanceof ResumeError && /^(unauthorized|gave-up)$/.test(cause.code);
        if (isWaiting && cause.status !== 403) this.#abort = undefined;
        onError(cause as Error);
      }
    }
  }

  #take(session: Session, cursor: StreamCursor, messages: readonly JsonRpcMessage[]): false {
    const { acknowledgements, keeper, onCursor, receive, state } = this.#options;
    const { eventId } = cursor;
    for (const message of messages) receive(message, { stream: STREAM, session, eventId });
    if (eventId !== undefined) onCursor(STREAM, eventId, false);
    acknowledgements.after(this, () => {
      if (session !== keeper.current) return;
      state.change((record) => (record.listenCursor = eventId));
      if (eventId !== undefined) onCursor(STREAM, eventId, true);
    });
    return false;
  }
}
