import { describe } from "vitest";
import { whyNoRedis } from "../../../../test-support/redis-server.js";

/** Tests that start a Redis; skipped, with the reason in their name, where there is none. */
export function describeRedis(title: string, body: () => void): void {
  const why = whyNoRedis();
  describe.skipIf(why !== undefined)(why === undefined ? title : `${title} (skipped: ${why})`, body);
}
