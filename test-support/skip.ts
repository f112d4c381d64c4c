// Skips tests that cannot run on this machine, with the reason in their title, where the end of `npm test` finds it.
import { describe, it } from "vitest";

/** Why tests cannot run here, and what to do so that they can; `undefined` when they can. */
export type Obstacle = string | undefined;

const titleOf = (title: string, obstacle: Obstacle): string =>
  obstacle === undefined ? title : `${title} (skipped: ${obstacle})`;

export function describeUnless(obstacle: Obstacle, title: string, body: () => void): void {
  describe.skipIf(obstacle !== undefined)(titleOf(title, obstacle), body);
}

export function itUnless(obstacle: Obstacle, title: string, body: () => Promise<void>): void {
  it.skipIf(obstacle !== undefined)(titleOf(title, obstacle), body);
}
