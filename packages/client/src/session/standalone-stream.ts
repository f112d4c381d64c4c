// Listens to the session's standalone stream, which carries the server's messages that answer no request.
import { hasCode } from "../errors.js";
import type { StreamName } from "../events.js";
import type { JsonRpcMessage } from "../json-rpc.js";
import { StreamCursor } from "../stream/cursor.js";
import { runStream } from "../stream/loop.js";
import type { StreamTask } from "../stream/task.js";
import { follow } from "../wait/abortable.js";
import type { Context } from "./context.js";
import type { Inbox } from "./inbox.js";
import type { SessionKeeper } from "./session-keeper.js";
import type { Session } from "./session.js";

const STREAM: StreamName = { id: undefined, method: undefined };

/** How far the app has had the messages of a session's standalone stream. */
interface Handled {
  readonly session: Session;
  readonly eventId: string | undefined;
}

export class Standalone {
  readonly #context: Context;
  readonly #keeper: SessionKeeper;
  readonly #inbox: Inbox;
  #handled: Handled;
  #abort: AbortController | undefined;

  constructor(context: Context, keeper: SessionKeeper, inbox: Inbox) {
    this.#context = context;
    this.#keeper = keeper;
    this.#inbox = inbox;
    const { current, saver } = context;
    this.#handled = { session: current.session, eventId: saver.restored.listenCursor };
    saver.keep(() => ({ listenCursor: this.#handledIn(current.session) }));
  }

  /** Opens the stream, if it is not open. A server that offers none answers 405; that is no error. */
  start(): void {
    const { signal } = this.#context;
    if (this.#abort !== undefined || signal.aborted) return;
    const abort = follow(signal);
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
    const { current, link, onError } = this.#context;
    const { session } = current;
    const cursor = new StreamCursor(this.#handledIn(session));
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
      try {
        // A new session restarts this stream by itself.
        if (!hasCode(error, "session-lost")) throw error;
        await this.#keeper.replace(session, error);
      } catch (cause) {
        if (this.#context.signal.aborted) return;
        // It waits for a login, or for the network to be back: `start()` opens it again.
        // A 403 says that no login helps.
        if (hasCode(cause, "unauthorized", "gave-up") && cause.status !== 403) this.#abort = undefined;
        onError(cause as Error);
      }
    }
  }

  #take(session: Session, cursor: StreamCursor, messages: readonly JsonRpcMessage[]): false {
    const { acknowledgements, current, dispatch, saver } = this.#context;
    const { eventId } = cursor;
    for (const message of messages) this.#inbox.receive(message, { stream: STREAM, session, eventId });
    if (eventId !== undefined) dispatch("cursor", { stream: STREAM, eventId, persisted: false });
    acknowledgements.after(this, () => {
      if (session !== current.session) return;
      this.#handled = { session, eventId };
      saver.schedule();
      if (eventId !== undefined) dispatch("cursor", { stream: STREAM, eventId, persisted: true });
    });
    return false;
  }

  /** A new session's stream begins anew. */
  #handledIn(session: Session): string | undefined {
    return this.#handled.session === session ? this.#handled.eventId : undefined;
  }
}
