// Gives the scripts of the Redis log another clock than the server's.

import type { RedisClient } from "../../src/logs/redis/redis-log.js";

/**
 * The client, but that every script sees this clock in place of the server's: it is given the script's text with
 * another `TIME`. All else is the real server's. The text must be new to the server whenever the clock has moved, so
 * the server is never found to know a script.
 */
export function withClock<Client extends RedisClient>(client: Client, clock: { ms: number }): Client {
  const at = () => `{'${Math.floor(clock.ms / 1000)}','${(clock.ms % 1000) * 1000}'}`;
  const inTime = (command: readonly string[]): string[] => {
    const [name, script, ...rest] = command;
    if (name === "EVALSHA") throw new Error("NOSCRIPT The clock may have moved.");
    if (name !== "EVAL" || script === undefined) return [...command];
    return [name, script.replace(/(?:redis\.)?call\('TIME'\)/g, at()), ...rest];
  };
  return new Proxy(client, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      const method = (...args: unknown[]) => Reflect.apply(value, target, args) as unknown;
      if (property !== "call" && property !== "sendCommand") return method;
      return async (...args: unknown[]) => method(...withCommand(args, inTime));
    },
  });
}

/** The command is all arguments (ioredis), or the one that is an array (node-redis). */
function withCommand(args: unknown[], change: (command: readonly string[]) => string[]): unknown[] {
  if (args.every((arg) => typeof arg === "string")) return change(args);
  return args.map((arg) => (Array.isArray(arg) ? change(arg.map(String)) : arg));
}
