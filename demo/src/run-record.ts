// Keeps the record of a run in the browser's storage, so that it outlives a reload.
import { z } from "zod";

/** Older moments are forgotten: the record stays small however long somebody plays. */
const MAX_MOMENTS = 200;

const momentSchema = z.object({
  kind: z.enum([
    "started",
    "adopted",
    "dropped",
    "offline",
    "online",
    "waiting",
    "resumed",
    "gap",
    "session",
    "reload",
    "ended",
  ]),
  text: z.string(),
  /** Epoch milliseconds. */
  time: z.number(),
  /** How many messages had arrived by then. */
  arrived: z.number(),
});

const runSchema = z.object({
  messages: z.number(),
  seconds: z.number(),
  /** Whether another tab began it, which had the first messages. */
  isAdopted: z.boolean(),
  outcome: z.object({ kind: z.enum(["result", "error"]), text: z.string() }).nullable(),
  cursor: z.object({ received: z.string().nullable(), saved: z.string().nullable() }),
  moments: z.array(momentSchema),
});

const numbersSchema = z.array(z.number());

export type Moment = z.infer<typeof momentSchema>;
type Run = z.infer<typeof runSchema>;
export type Outcome = NonNullable<Run["outcome"]>;

const RUN_KEY = "run";
/** Every message number in the order of arrival, over all lives of the page. Appended to, nothing else. */
const ARRIVALS_KEY = "arrivals";
/** How many messages had arrived when each later life of the page began. */
const RELOADS_KEY = "reloads";

/**
 * What this page has seen of the current run, kept in sessionStorage, so that the picture is whole again after a
 * reload. It knows nothing of the transport, which keeps what it needs by itself.
 */
export class RunRecord {
  #run: Run | undefined;
  #arrivals: number[] = [];
  #reloads: number[] = [];
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#run = this.#load(RUN_KEY, runSchema);
    if (this.#run === undefined) return;
    this.#arrivals = this.#load(ARRIVALS_KEY, numbersSchema) ?? [];
    this.#reloads = this.#load(RELOADS_KEY, numbersSchema) ?? [];
  }

  get run(): Readonly<Run> | undefined {
    return this.#run;
  }

  get arrivals(): readonly number[] {
    return this.#arrivals;
  }

  get reloads(): readonly number[] {
    return this.#reloads;
  }

  /** Forgets the last run and begins another. */
  begin(messages: number, seconds: number): void {
    this.#begin(messages, seconds, false);
    this.note("started", `Started: ${messages} messages in ${seconds} s`);
  }

  /** Forgets the last run and goes on with one that another tab began. */
  adopt(messages: number, seconds: number): void {
    this.#begin(messages, seconds, true);
    this.note("adopted", `Taken over from a tab that is gone: ${messages} messages in ${seconds} s`);
  }

  arrive(number: number): void {
    this.#arrivals.push(number);
    this.#save(ARRIVALS_KEY, this.#arrivals);
  }

  reload(): void {
    this.#reloads.push(this.#arrivals.length);
    this.#save(RELOADS_KEY, this.#reloads);
    this.note("reload", "Page reloaded");
  }

  moveCursor(place: "received" | "saved", eventId: string): void {
    if (this.#run === undefined) return;
    this.#run.cursor[place] = eventId;
    this.#save(RUN_KEY, this.#run);
  }

  note(kind: Moment["kind"], text: string): void {
    if (this.#run === undefined) return;
    this.#run.moments.push({ kind, text, time: Date.now(), arrived: this.#arrivals.length });
    if (this.#run.moments.length > MAX_MOMENTS) this.#run.moments.shift();
    this.#save(RUN_KEY, this.#run);
  }

  end(outcome: Outcome): void {
    if (this.#run === undefined) return;
    this.#run.outcome = outcome;
    this.note("ended", outcome.kind === "result" ? "Finished" : "Ended without a result");
  }

  #begin(messages: number, seconds: number, isAdopted: boolean): void {
    const cursor = { received: null, saved: null };
    this.#run = { messages, seconds, isAdopted, outcome: null, cursor, moments: [] };
    this.#arrivals = [];
    this.#reloads = [];
    this.#save(ARRIVALS_KEY, this.#arrivals);
    this.#save(RELOADS_KEY, this.#reloads);
  }

  #load<Value>(key: string, schema: z.ZodType<Value>): Value | undefined {
    try {
      const result = schema.safeParse(JSON.parse(this.#storage.getItem(key) ?? "null"));
      return result.success ? result.data : undefined;
    } catch {
      // No storage, or not JSON: the picture starts empty, the call goes on all the same.
      return undefined;
    }
  }

  #save(key: string, value: unknown): void {
    try {
      this.#storage.setItem(key, JSON.stringify(value));
    } catch {
      // The quota is used up: the picture after a reload will be poorer, the call goes on all the same.
    }
  }
}
