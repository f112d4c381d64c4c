// Runs one client through one scenario with one seed.
import { EventStore } from "@resumable-mcp/server";
import { runWeather, type WeatherRun } from "../weather.js";
import { contestant, type ClientKind, type MakeTransport } from "./clients.js";
import type { Scenario } from "./scenarios.js";

/** How much a client is asked for at once. */
export interface Size {
  readonly calls: number;
  readonly messages: number;
  readonly intervalMs: number;
}

/** 20 calls together, of 200 messages, one each 50 ms: ten seconds. */
export const FULL_SIZE: Size = { calls: 20, messages: 200, intervalMs: 50 };

/** Far beyond what any call may take, in milliseconds. */
export const LIMIT_MS = 180_000;

export interface TortureOptions {
  readonly scenario: Scenario;
  readonly kind: ClientKind;
  readonly make: MakeTransport;
  readonly seed: number;
  readonly size: Size;
  /** When a call that has not ended counts as hung, in milliseconds. @defaultValue {@link LIMIT_MS} */
  readonly limitMs?: number | undefined;
}

/** Runs one client through one scenario, with one seed. */
export function torture({
  scenario,
  kind,
  make,
  seed,
  size,
  limitMs = LIMIT_MS,
}: TortureOptions): Promise<WeatherRun> {
  const store = new EventStore({ maxEventsPerStream: 1000 });
  const { sdk, connect } = contestant(kind, seed, make, scenario.patience);
  const eventStoreFor = (sessionId: string) => store.forSession(sessionId);
  const { weather } = scenario;
  return runWeather({ sdk, eventStoreFor, connect, seed, weather, limitMs, ...size });
}

/** What a run took, as a multiple of the ideal: the calm run, and the time in which nothing got through. */
export function timeOverIdeal(run: WeatherRun, calmMs: number): number {
  return run.elapsedMs / (calmMs + run.refusedMs);
}
