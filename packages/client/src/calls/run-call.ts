import type { Call } from "./call.js";
import { ResumeError } from "../errors.js";
import type { SessionKeeper } from "../session/session-keeper.js";
import type { SessionState } from "../state/session-state.js";
import { runStream } from "../stream/loop.js";
import type { Link } from "../stream/task.js";

/** A call that loses its session so often in a row is given up. */
const MAX_SESSIONS = 3;

interface RunOptions {
  readonly keeper: SessionKeeper;
  readonly link: Link;
  readonly state: SessionState;
}

/**
 * Runs a call to its end: in a new session when the server loses its own, where that cannot run it twice.
 *
 * @throws {ResumeError} when no response can come.
 */
export async function runCall(call: Call, { keeper, link, state }: RunOptions): Promise<void> {
  for (let sessions = 1; ; sessions += 1) {
    try {
      await runStream(call, link, call.abort.signal);
      return;
    } catch (error) {
      if (!(error instanceof ResumeError) || error.code !== "session-lost") throw error;
      const { maybeExecuted } = error;
      const session = await keeper.successorOf(call.session, error, call.abort.signal);
      if ((maybeExecuted && !call.canRunAnew()) || sessions >= MAX_SESSIONS) throw error;
      call.session = session;
      call.wasSent ||= maybeExecuted;
      call.cursor.reset();
      call.isBegun = false;
      state.change((record) => {
        const saved = record.calls.find(({ id }) => id === call.request.id);
        delete saved?.session;
        delete saved?.cursor;
      });
    }
  }
}
