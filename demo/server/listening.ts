// Starts and stops HTTP servers that only this machine can reach.
import { once } from "node:events";
import type { Server } from "node:http";

/**
 * Starts a server on this machine only.
 *
 * @param port 0 takes any free one.
 * @returns the port.
 * @throws the system's error, `EADDRINUSE` for a port that is taken.
 */
export async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, "localhost");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server listens on no TCP port.");
  return address.port;
}

/** Stops a server, and does not wait for streams that would stay open for ever. */
export async function stop(server: Server): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeAllConnections();
  await stopped;
}
