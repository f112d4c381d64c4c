// Defines the events that the transport tells the app, and the typed EventTarget that dispatches them.

/** How the transport as a whole is doing. */
export type TransportStatus =
  /** Before the session is there. */
  | { readonly state: "connecting" }
  /** Every stream that should be open is. */
  | { readonly state: "live" }
  /** At least one stream waits for its next attempt. */
  | {
      readonly state: "waiting";
      /** Attempts of that stream without progress, this one included. */
      readonly attempt: number;
      /** When the earliest next attempt is due, in milliseconds since the epoch. */
      readonly retryAt: number;
    }
  /** The browser says that there is no network; the streams go on when it is back. */
  | { readonly state: "offline" }
  | { readonly state: "closed" };

/** Which stream an event is about: the method of the request that it answers, or the standalone stream. */
export interface StreamName {
  /** The request's id on the wire; `undefined` for the standalone stream. */
  readonly id: string | undefined;
  readonly method: string | undefined;
}

/** What {@link ResumableTransport} tells, by event type; each is the `detail` of a `CustomEvent`. */
export interface TransportEventMap {
  statuschange: TransportStatus;
  /** A stream is connected again. */
  resumed: {
    readonly stream: StreamName;
    readonly attempts: number;
    /** How long it was down, in milliseconds. */
    readonly downMs: number;
  };
  /** Messages of a stream are lost for good. */
  gap: {
    readonly stream: StreamName;
    /** How many; `undefined` when nobody knows. */
    readonly missed: number | undefined;
  };
  /** The server lost the session and a new one was made. What was in flight was rejected or sent again. */
  sessionreplaced: { readonly cause: Error };
  /** A cursor moved: an event was handed to the app, or (`persisted`) is on its way into the store as handled. */
  cursor: { readonly stream: StreamName; readonly eventId: string; readonly persisted: boolean };
}

interface TypedEventTarget extends Omit<EventTarget, "addEventListener" | "removeEventListener"> {
  addEventListener<Type extends keyof TransportEventMap>(
    type: Type,
    listener: ((event: CustomEvent<TransportEventMap[Type]>) => void) | null,
    options?: AddEventListenerOptions | boolean,
  ): void;
  removeEventListener<Type extends keyof TransportEventMap>(
    type: Type,
    listener: ((event: CustomEvent<TransportEventMap[Type]>) => void) | null,
    options?: EventListenerOptions | boolean,
  ): void;
}

// The same methods under narrower types: only dispatch() below fires events, and it pairs name and detail.
const TypedEventTarget = EventTarget as unknown as new () => TypedEventTarget;

/** An `EventTarget` whose events are typed. */
export class TransportEvents extends TypedEventTarget {
  /** An event that nobody ever asked for is not made: there are two for each message. */
  readonly #listenedTypes = new Set<string>();

  override addEventListener<Type extends keyof TransportEventMap>(
    type: Type,
    listener: ((event: CustomEvent<TransportEventMap[Type]>) => void) | null,
    options?: AddEventListenerOptions | boolean,
  ): void {
    this.#listenedTypes.add(type);
    super.addEventListener(type, listener, options);
  }

  /** Tells the listeners. */
  protected dispatch<Type extends keyof TransportEventMap>(
    type: Type,
    detail: TransportEventMap[Type],
  ): void {
    if (this.#listenedTypes.has(type)) this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
