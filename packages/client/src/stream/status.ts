import type { TransportStatus } from "../events.js";
import type { StreamStatus } from "./stream-task.js";

/** The transport's status, made of those of its streams. */
export function combineStatus(streams: Iterable<StreamStatus>): TransportStatus {
  let worst: StreamStatus = { state: "live" };
  for (const stream of streams) {
    if (stream.state === "offline") return stream;
    if (stream.state !== "waiting") continue;
    if (worst.state !== "waiting" || stream.retryAt < worst.retryAt) worst = stream;
  }
  return worst;
}
