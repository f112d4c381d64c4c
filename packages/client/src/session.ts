import { isRecord, isResponse, type JsonRpcMessage, type Params } from "./json-rpc.js";
import type { SessionRef } from "./open-stream.js";
import type { SavedSession } from "./session-state.js";
import { runStream } from "./stream-loop.js";
import type { Link, StreamTask } from "./stream-task.js";
import { StreamCursor } from "./stream-cursor.js";

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
    return {
      ...(this.id === undefined ? {} : { id: this.id }),
      ...(this.protocolVersion === undefined ? {} : { protocolVersion: this.protocolVersion }),
    };
  }
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
  link: Link,
  signal: AbortSignal,
  onOther: (message: JsonRpcMessage) => void = () => undefined,
): Promise<JsonRpcMessage | undefined> {
  let answer: JsonRpcMessage | undefined;
  const task: StreamTask = {
    session,
    request: message,
    cursor: new StreamCursor(),
    isBrief: true,
    isResendable: () => true,
    take(messages) {
      for (const received of messages) {
        if (isResponse(received)) answer ??= received;
        else onOther(received);
      }
      return answer !== undefined;
    },
  };
  await runStream(task, link, signal);
  return answer;
}
