import type { JsonRpcMessage, JsonRpcRequest, JsonRpcResponse, Params } from "../../src/index.js";
import { isRecord } from "../../src/json-rpc.js";
import { ServerStream } from "./server-stream.js";

/** A request that the server executes; the test decides what comes of it, and when. */
export class ServerCall {
  readonly message: JsonRpcRequest;
  readonly session: ServerSession;
  readonly stream: ServerStream;
  /** The answer of a server in JSON mode. */
  onAnswer: ((answer: JsonRpcResponse) => void) | undefined;
  isAnswered = false;

  constructor(message: JsonRpcRequest, session: ServerSession, stream: ServerStream) {
    this.message = message;
    this.session = session;
    this.stream = stream;
  }

  /** Progress messages with these numbers, under the token that the client gave. */
  progress(...numbers: readonly number[]): void {
    const meta = this.message.params?._meta;
    const progressToken = isRecord(meta) ? meta.progressToken : undefined;
    for (const progress of numbers)
      this.stream.append({
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: { progressToken, progress },
      });
  }

  result(result: Params): void {
    this.#answer({ jsonrpc: "2.0", id: this.message.id, result });
  }

  error(code: number, message: string): void {
    this.#answer({ jsonrpc: "2.0", id: this.message.id, error: { code, message } });
  }

  #answer(answer: JsonRpcResponse): void {
    this.isAnswered = true;
    if (this.onAnswer !== undefined) {
      this.onAnswer(answer);
      return;
    }
    this.stream.append(answer);
    this.stream.end();
  }
}

/** What the test server knows of one session. */
export class ServerSession {
  readonly id: string;
  readonly streams: ServerStream[] = [];
  readonly listening: ServerStream;
  readonly #hasIds: boolean;
  readonly #asked = new Map<number, (answer: JsonRpcMessage) => void>();
  #nextId = 0;

  constructor(id: string, hasIds: boolean) {
    this.id = id;
    this.#hasIds = hasIds;
    this.listening = this.open(`${id}/listen`);
  }

  open(name: string): ServerStream {
    const stream = new ServerStream(name, this.#hasIds);
    this.streams.push(stream);
    return stream;
  }

  /** Asks the client something. Ids count from 0, as those of an SDK's server do. */
  ask(
    method: string,
    params: Params,
    stream: ServerStream,
  ): { readonly id: number; readonly answer: Promise<JsonRpcMessage> } {
    const id = this.#nextId++;
    const answer = new Promise<JsonRpcMessage>((resolve) => this.#asked.set(id, resolve));
    stream.append({ jsonrpc: "2.0", id, method, params });
    return { id, answer };
  }

  /** Takes an answer of the client. */
  answered(message: JsonRpcResponse): void {
    this.#asked.get(Number(message.id))?.(message);
  }
}
