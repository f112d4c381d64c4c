import { vi } from "vitest";

/** Waits until an assertion holds: as long as a busy machine may take, and no longer than a quick one does. */
export function eventually<T>(assertion: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(assertion, { timeout: 20_000, interval: 5 });
}
