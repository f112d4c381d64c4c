// Checks the options of the fault proxy, and every fault of a weather, before they are used.
import { ResumeError } from "@resumable-mcp/client";
import { REQUEST_KINDS, type RequestKind } from "./http.js";
import type { ByteRange, Direction, Fault, Storms, Unavailable, Weather } from "./weather.js";

/** The longest delay that a Node timer takes, in milliseconds: 2^31 - 1, or 24 days. */
export const MAX_TIMER_MS = 2_147_483_647;

function refuse(option: string, allowed: string, value: unknown): never {
  throw new ResumeError("invalid-option", `faultProxy: ${option} must be ${allowed}, not ${String(value)}`);
}

/** @throws {ResumeError} `invalid-option` unless `value` is a whole number from `min` to `max`. */
export function checkInteger(option: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    refuse(option, `a whole number from ${min} to ${max}`, value);
  }
}

function checkNumber(option: string, value: number, min: number, max: number): void {
  if (!(value >= min && value <= max)) refuse(option, `a number from ${min} to ${max}`, value);
}

function checkOneOf(option: string, value: unknown, allowed: readonly unknown[]): void {
  if (!allowed.includes(value)) refuse(option, `one of ${allowed.join(", ")}`, value);
}

function checkRange(option: string, range: ByteRange): void {
  checkInteger(`${option}.min`, range.min, 0, Number.MAX_SAFE_INTEGER);
  checkInteger(`${option}.max`, range.max, range.min, Number.MAX_SAFE_INTEGER);
}

function checkDirection(option: string, direction: Direction | undefined): void {
  if (direction !== undefined) checkOneOf(`${option}.direction`, direction, ["up", "down", "both"]);
}

function checkCommon(
  option: string,
  fault: { readonly on?: readonly RequestKind[]; readonly share?: number },
): void {
  if (fault.share !== undefined) checkNumber(`${option}.share`, fault.share, 0, 1);
  if (fault.on === undefined) return;
  if (fault.on.length === 0) refuse(`${option}.on`, "left out, or not empty", fault.on);
  for (const kind of fault.on) checkOneOf(`${option}.on`, kind, REQUEST_KINDS);
}

function checkAnswer(option: string, { retryAfterSeconds, status }: Storms | Unavailable): void {
  if (status !== undefined) checkInteger(`${option}.status`, status, 400, 599);
  if (retryAfterSeconds === undefined) return;
  checkInteger(`${option}.retryAfterSeconds`, retryAfterSeconds, 0, MAX_TIMER_MS);
}

function checkFault(option: string, fault: Fault): void {
  switch (fault.kind) {
    case "kills":
      checkNumber(`${option}.meanIntervalMs`, fault.meanIntervalMs, 1, MAX_TIMER_MS);
      checkCommon(option, fault);
      return;
    case "lifetimes":
      checkNumber(`${option}.meanMs`, fault.meanMs, 1, MAX_TIMER_MS);
      checkCommon(option, fault);
      return;
    case "cuts":
      checkRange(`${option}.afterBytes`, fault.afterBytes);
      if (fault.every !== undefined) checkInteger(`${option}.every`, fault.every, 1, Number.MAX_SAFE_INTEGER);
      checkCommon(option, fault);
      return;
    case "outages":
    case "storms":
      if (fault.kind === "storms") checkAnswer(option, fault);
      checkNumber(`${option}.lastingMs`, fault.lastingMs, 1, MAX_TIMER_MS);
      checkNumber(`${option}.everyMs`, fault.everyMs, fault.lastingMs + 1, MAX_TIMER_MS);
      return;
    case "silence":
      if (fault.afterBytes !== undefined) checkRange(`${option}.afterBytes`, fault.afterBytes);
      checkDirection(option, fault.direction);
      checkCommon(option, fault);
      return;
    case "latency":
      checkNumber(`${option}.ms`, fault.ms, 0, MAX_TIMER_MS / 2);
      if (fault.jitterMs !== undefined) checkNumber(`${option}.jitterMs`, fault.jitterMs, 0, fault.ms);
      checkDirection(option, fault.direction);
      checkCommon(option, fault);
      return;
    case "trickle":
      checkNumber(`${option}.bytesPerSecond`, fault.bytesPerSecond, 1, Number.MAX_SAFE_INTEGER);
      checkCommon(option, fault);
      return;
    case "unavailable":
      checkAnswer(option, fault);
      checkCommon(option, fault);
      return;
    case "accept-and-close":
    case "empty-stream":
      checkCommon(option, fault);
      return;
    case "offline":
      return;
    default:
      // Callers without types get here.
      refuse(`${option}.kind`, "a kind of fault", (fault as { readonly kind?: unknown }).kind);
  }
}

/** @throws {ResumeError} `invalid-option` when a fault is out of range. */
export function checkWeather(option: string, weather: Weather): void {
  weather.forEach((fault, index) => checkFault(`${option}[${index}]`, fault));
}

/**
 * Where to connect to.
 * @throws {ResumeError} `invalid-option` unless `target` is an `http:` URL.
 */
export function checkTarget(target: string | URL): URL {
  const url = URL.canParse(target) ? new URL(target) : undefined;
  return url?.protocol === "http:" ? url : refuse("target", "an http: URL", String(target));
}
