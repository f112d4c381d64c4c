// Groups the tests that start a Redis, and skips them where there is none.
import { whyNoRedis } from "../../../../test-support/redis-server.js";
import { describeUnless } from "../../../../test-support/skip.js";

export function describeRedis(title: string, body: () => void): void {
  describeUnless(whyNoRedis(), title, body);
}
