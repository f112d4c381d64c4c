// Makes the tool `count` of the stock servers, which reports each number as progress.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

/** Arguments of the tool `count`. */
export interface CountArguments {
  /** How many progress notifications it sends. */
  readonly messages: number;
  /** Time between two of them, and before the result, in milliseconds. */
  readonly intervalMs: number;
  /** Names the call: it comes back in every message. */
  readonly key: string;
}

export const COUNT_TOOL = {
  name: "count",
  config: {
    description: "Sends numbered progress notifications, then a result",
    inputSchema: z.object({
      messages: z.number().int().min(0),
      intervalMs: z.number().min(0),
      key: z.string(),
    }),
  },
} as const;

/** The text of the message with this number, counted from 1. */
export function countMessage(key: string, number: number): string {
  return `${key}#${number}`;
}

/** The text of the result. */
export function countResult({ key, messages }: CountArguments): string {
  return `${key} counted to ${messages}`;
}

/** Sends a notification, as the SDK's request context does. */
export type Notify = (notification: {
  method: "notifications/progress";
  params: { progressToken: string | number; progress: number; total: number; message: string };
}) => Promise<void>;

/** How often each call, named by its key, was executed. */
export class CountTool {
  readonly #executions = new Map<string, number>();

  executions(key: string): number {
    return this.#executions.get(key) ?? 0;
  }

  /**
   * Runs one call. Messages are sent on time whatever becomes of the earlier ones, as by a program that does not wait
   * for its clients.
   */
  async run(call: CountArguments, token: string | number | undefined, notify: Notify, signal: AbortSignal) {
    const { key, messages, intervalMs } = call;
    this.#executions.set(key, this.executions(key) + 1);
    const startMs = performance.now();
    const sending: Promise<void>[] = [];
    const failures: unknown[] = [];
    for (let progress = 1; progress <= messages + 1; progress += 1) {
      const waitMs = startMs + progress * intervalMs - performance.now();
      if (waitMs > 0) await sleep(waitMs, undefined, { signal });
      if (token === undefined || progress > messages) continue;
      const params = {
        progressToken: token,
        progress,
        total: messages,
        message: countMessage(key, progress),
      };
      const notified = notify({ method: "notifications/progress", params });
      sending.push(notified.catch((error: unknown) => void failures.push(error)));
    }
    await Promise.all(sending);
    if (failures.length > 0) throw new AggregateError(failures, `${failures.length} messages were not sent`);
    return { content: [{ type: "text" as const, text: countResult(call) }] };
  }
}
