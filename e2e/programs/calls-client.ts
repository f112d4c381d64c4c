// Calls the counting tool from a page or a worker, and writes down what each call came to.
import {
  type Params,
  ResumableTransport,
  type JsonRpcResponse,
  type StateStore,
} from "@resumable-mcp/client";

/** What one call came to so far. */
export interface CallState {
  /** Every message number, as it arrived. */
  readonly arrivals: readonly number[];
  /** The result's text, or the error's message. */
  readonly outcome: string | undefined;
}

/** The result of the counting tool. */
interface CountResult {
  readonly content: readonly [{ readonly text: string }];
}

// The tool's results have this shape, and one that had not would fail the test.
const textOf = (result: Params): string => (result as unknown as CountResult).content[0].text;

/** The call's number, which is its progress token, and the number of the message. */
interface Progress {
  readonly progressToken: number;
  readonly progress: number;
}

export class CallsClient {
  readonly calls: { arrivals: number[]; outcome: string | undefined }[] = [];
  readonly errors: string[] = [];
  readonly #transport: (maxConnections: number | undefined) => ResumableTransport;
  readonly #onArrival: (progress: number) => void;
  readonly #answers = new Map<unknown, (response: JsonRpcResponse) => void>();
  #connected: ResumableTransport | undefined;
  #lastId = 0;

  constructor(store: StateStore, onArrival: (progress: number) => void = () => undefined) {
    this.#transport = (maxConnections) =>
      new ResumableTransport(new URL("/mcp", location.href), {
        store,
        ...(maxConnections === undefined ? {} : { maxConnections }),
      });
    this.#onArrival = onArrival;
  }

  async connect(maxConnections?: number): Promise<void> {
    const transport = (this.#connected = this.#transport(maxConnections));
    transport.onmessage = (message) => {
      if (!("method" in message)) this.#answers.get(message.id)?.(message);
      else if (message.method === "notifications/progress") {
        // The tokens are those that `start` gave, and the tool counts.
        const { progressToken, progress } = message.params as unknown as Progress;
        this.#arrive(progressToken, progress);
      }
    };
    transport.onerror = (error) => this.errors.push(String(error));
    await transport.start();
    const clientInfo = { name: "calls-page", version: "0.0.0" };
    await this.#request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
    await transport.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  /** Starts calls, all at once. */
  start(count: number, messages: number, seconds: number): void {
    for (let n = 0; n < count; n++) {
      const progressToken = this.#open();
      const params = { name: "count", arguments: { messages, seconds }, _meta: { progressToken } };
      this.#request("tools/call", params).then(
        (response) =>
          this.#end(
            progressToken,
            "result" in response ? textOf(response.result) : JSON.stringify(response.error),
          ),
        (error: unknown) => this.#end(progressToken, String(error)),
      );
    }
  }

  /** Goes on with the calls that an earlier client left. */
  goOn(): void {
    for (const call of this.#live().interrupted()) {
      const index = this.#open();
      call.onprogress = ({ progress }) => this.#arrive(index, Number(progress));
      call.result.then(
        (result) => this.#end(index, textOf(result)),
        (error: unknown) => this.#end(index, String(error)),
      );
    }
  }

  close(): Promise<void> {
    return this.#live().close();
  }

  /** Sends a ping, and says how many calls had ended when it was answered. */
  async ping(): Promise<number> {
    await this.#request("ping");
    return this.calls.filter(({ outcome }) => outcome !== undefined).length;
  }

  #live(): ResumableTransport {
    if (this.#connected === undefined) throw new Error("The client is not connected.");
    return this.#connected;
  }

  #request(method: string, params: Params = {}): Promise<JsonRpcResponse> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, resolve);
      this.#live().send({ jsonrpc: "2.0", id, method, params }).catch(reject);
    });
  }

  #open(): number {
    return this.calls.push({ arrivals: [], outcome: undefined }) - 1;
  }

  #arrive(index: number, progress: number): void {
    this.calls[index]?.arrivals.push(progress);
    this.#onArrival(progress);
  }

  #end(index: number, outcome: string): void {
    const call = this.calls[index];
    if (call !== undefined) call.outcome = outcome;
  }
}
