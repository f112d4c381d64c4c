// Lists what the session, its calls and its other streams share between the transport's start() and its close().
import type { TransportEventMap } from "../events.js";
import type { ValidOptions } from "../options.js";
import type { Acknowledgements } from "../state/acknowledgements.js";
import type { Saver } from "../state/saver.js";
import type { Link } from "../stream/task.js";
import type { CurrentSession } from "./session.js";
import type { WireIds } from "./wire-ids.js";

export interface Context {
  readonly options: ValidOptions;
  readonly saver: Saver;
  readonly acknowledgements: Acknowledgements;
  readonly ids: WireIds;
  readonly link: Link;
  readonly current: CurrentSession;
  /** Aborted by close() and by terminateSession(), with what becomes of the running calls. */
  readonly signal: AbortSignal;
  /** Tells the app's listeners. */
  readonly dispatch: <Type extends keyof TransportEventMap>(
    type: Type,
    detail: TransportEventMap[Type],
  ) => void;
  /** Reports what fails nobody's call. */
  readonly onError: (error: Error) => void;
}
