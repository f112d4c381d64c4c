// Holds what the client knows of a session, tracks the current one, and sends single messages in it.
import { ResumeError } from "../errors.js";
import type { StreamName } from "../events.js";
import { isRecord, isRequest, isResponse, type JsonRpcMessage, type Params } from "../json-rpc.js";
import { type Handshake, present, type SavedSession } from "../state/client-record.js";
import type { Saver } from "../state/saver.js";
import { type HttpOptions, openStream, type SessionRef } from "../stream/http.js";
import { StreamCursor } from "../stream/cursor.js";
import { runStream } from "../stream/loop.js";
import type { Link, StreamTask } from "../stream/task.js";
import { follow } from "../wait/abortable.js";

/** Where a message of the server came from. */
export interface Origin {
  readonly stream: StreamName;
  readonly session: Session;
  /** The event that carried it. */
  readonly eventId: string | undefined;
}

/** A session as the client knows it. Its id comes with the headers of the initialize answer. */
export class Session implements SessionRef {
  id: string | undefined;
  protocolVersion: string | undefined;
  isIdempotent = false;

  constructor(saved: SavedSession = {}) {
    this.id = saved.id;
    this.protocolVersion = saved.protocolVersion;
  }

  /** Takes what the server says in its initialize result. */
  accept(result: Params): void {
    const { protocolVersion, capabilities } = result;
    if (typeof protocolVersion === "string") this.protocolVersion = protocolVersion;
    const experimental = isRecord(capabilities) ? capabilities.experimental : undefined;
    const ours = isRecord(experimental) ? experimental["resumable-mcp"] : undefined;
    this.isIdempotent = isRecord(ours) && ours.idempotency === true;
  }

  toJSON(): SavedSession {
    const { id, protocolVersion } = this;
    return present({ id, protocolVersion });
  }
}

/** The session that the client is in, with the handshake that began it. */
export class CurrentSession {
  readonly #saver: Saver;
  #session: Session;
  #handshake: Handshake | undefined;

  constructor(saver: Saver) {
    const { initialize, session } = saver.restored;
    this.#saver = saver;
    this.#session = new Session(session);
    this.#handshake = initialize;
    if (initialize !== undefined) this.#session.accept(initialize.result);
    saver.keep(() => ({ session: this.#session.toJSON(), initialize: this.#handshake }));
  }

  get session(): Session {
    return this.#session;
  }

  get handshake(): Handshake | undefined {
    return this.#handshake;
  }

  /** Goes over to a new session. What belongs to the earlier one finishes there, if that still lives. */
  adopt(session: Session, handshake: Handshake): void {
    this.#session = session;
    this.#handshake = handshake;
    this.#saver.schedule();
  }

  /** The session of something that was saved. */
  restore(saved: SavedSession | undefined): Session {
    return saved === undefined ? this.#session : new Session(saved);
  }

  /** How something that is saved names its session: not at all when that is the current one. */
  reference(session: Session): { readonly session?: SavedSession } {
    return session === this.#session ? {} : { session: session.toJSON() };
  }
}

/** What an exchange needs from the transport. */
interface ExchangeContext {
  readonly link: Link;
  readonly signal: AbortSignal;
}

/**
 * Sends one message in a session, through whatever the network does, and returns the response to it; `undefined`
 * for a notification or an answer, which are accepted and no more.
 *
 * @throws {ResumeError} as {@link runStream} does.
 */
export async function exchange(
  session: Session,
  message: JsonRpcMessage,
  { link, signal }: ExchangeContext,
  onOther: (message: JsonRpcMessage) => void = () => undefined,
): Promise<JsonRpcMessage | undefined> {
  const id = isRequest(message) ? message.id : undefined;
  let answer: JsonRpcMessage | undefined;
  const task: StreamTask = {
    session,
    request: message,
    cursor: new StreamCursor(),
    isBrief: true,
    isResendable: () => true,
    take(messages) {
      for (const received of messages) {
        // An error need not say which request it answers.
        if (isResponse(received) && (received.id ?? id) === id) answer ??= received;
        else onOther(received);
      }
      return answer !== undefined;
    },
  };
  const abort = follow(signal);
  try {
    await runStream(task, link, abort.signal);
  } finally {
    abort.abort();
  }
  return answer;
}

/** Tells the server that a session is over, once. @throws {ResumeError} `http`, `gave-up` */
export async function endSession(http: HttpOptions, session: Session, signal: AbortSignal): Promise<void> {
  const opened = await openStream(http, session, { method: "DELETE" }, signal);
  if (opened.kind === "refused" && opened.status !== 405 && opened.status !== 404)
    throw new ResumeError("http", `The server refused to end the session (${opened.status})`, opened);
  if (opened.kind === "unreachable")
    throw new ResumeError("gave-up", "The server could not be told that the session is over", opened);
}
