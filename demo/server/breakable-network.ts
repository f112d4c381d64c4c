// Keeps the sockets between the page and the MCP server, so that the page's buttons can break them for real.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The road between the page and the MCP server, which the page's buttons can break for real. */
export class BreakableNetwork {
  readonly #inUse = new Set<Socket>();
  #offlineUntil = 0;

  /** When the road opens again, in epoch milliseconds; `undefined` when it is open. */
  get offlineUntil(): number | undefined {
    return this.#offlineUntil > Date.now() ? this.#offlineUntil : undefined;
  }

  /**
   * Watches over the connection of a request until it was answered.
   *
   * @returns `false` while offline: then the connection has been reset and there is nobody to answer.
   */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request;
    if (this.offlineUntil !== undefined) {
      socket.resetAndDestroy();
      return false;
    }
    this.#inUse.add(socket);
    response.once("close", () => this.#inUse.delete(socket));
    return true;
  }

  /**
   * Resets every connection that carries an MCP request at this moment, as a dying router would: no end of the
   * response, no goodbye.
   *
   * @returns how many there were.
   */
  drop(): number {
    const sockets = [...this.#inUse];
    for (const socket of sockets) socket.resetAndDestroy();
    return sockets.length;
  }

  /** Resets what is connected and whatever connects in the next so many milliseconds. 0 opens the road again. */
  goOffline(durationMs: number): void {
    this.#offlineUntil = Date.now() + durationMs;
    if (durationMs > 0) this.drop();
  }
}
