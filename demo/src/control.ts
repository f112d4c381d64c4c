// Calls the demo server's controls: drop every socket, go offline for a while.
import { z } from "zod";

const offlineSchema = z.object({ offlineUntil: z.number().nullable() });
const droppedSchema = z.object({ dropped: z.number() });

/** Makes the server destroy every open MCP socket. @returns how many there were. */
export async function dropConnections(): Promise<number> {
  return droppedSchema.parse(await ask("POST", "/control/drop")).dropped;
}

/**
 * Makes the server refuse every MCP connection for so many seconds; 0 ends it.
 *
 * @returns until when, in epoch milliseconds; `null` when it is online.
 */
export async function goOffline(seconds: number): Promise<number | null> {
  return offlineSchema.parse(await ask("POST", `/control/offline?seconds=${seconds}`)).offlineUntil;
}

/** @returns until when the server refuses connections, in epoch milliseconds; `null` when it does not. */
export async function offlineUntil(): Promise<number | null> {
  return offlineSchema.parse(await ask("GET", "/control/state")).offlineUntil;
}

async function ask(method: string, path: string): Promise<unknown> {
  const response = await fetch(path, { method, signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`The demo server answered ${path} with ${response.status}.`);
  return response.json();
}
