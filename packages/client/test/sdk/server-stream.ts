import type { ServerResponse } from "node:http";
import type { JsonRpcMessage } from "../../src/index.js";

interface StoredEvent {
  readonly id: string;
  /** `undefined` for a priming event. */
  readonly message: JsonRpcMessage | undefined;
}

/** One stream of the test server: a log, and at most one connection that reads it. Append and write are one step. */
export class ServerStream {
  readonly name: string;
  readonly hasIds: boolean;
  readonly #events: StoredEvent[] = [];
  #connection: ServerResponse | undefined;
  #ended = false;
  /** How many connections there were. */
  connections = 0;

  constructor(name: string, hasIds: boolean) {
    this.name = name;
    this.hasIds = hasIds;
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  get length(): number {
    return this.#events.length;
  }

  /** Whether the id is one of this stream's. */
  has(eventId: string): boolean {
    return this.#events.some(({ id }) => id === eventId);
  }

  /** A connection gets what comes after the event, and then what is appended. */
  attach(connection: ServerResponse, after?: string): void {
    this.#connection = connection;
    this.connections += 1;
    connection.on("close", () => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    const from =
      after === undefined ? this.#events.length : this.#events.findIndex(({ id }) => id === after) + 1;
    for (const event of this.#events.slice(from)) if (event.message !== undefined) this.#write(event);
    if (this.#ended) connection.end();
  }

  append(message: JsonRpcMessage | undefined): void {
    const event = { id: `${this.name}:${this.#events.length + 1}`, message };
    this.#events.push(event);
    this.#write(event);
  }

  /** Says how long a client is to wait before it resumes the stream, in milliseconds. */
  retry(ms: number): void {
    this.#connection?.write(`retry: ${ms}\n\n`);
  }

  /** The response was appended. */
  end(): void {
    this.#ended = true;
    this.#connection?.end();
  }

  /** Breaks the connection, not the stream. */
  cut(): void {
    this.#connection?.destroy();
  }

  #write({ id, message }: StoredEvent): void {
    const idLine = this.hasIds ? `id: ${id}\n` : "";
    const data = message === undefined ? "" : JSON.stringify(message);
    this.#connection?.write(`${idLine}data: ${data}\n\n`);
  }
}
