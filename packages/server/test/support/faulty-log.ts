import type { EventLog, Position } from "../../src/log/event-log.js";

type Operation = "append" | "read" | "end" | "delete";
/** `fail`: throws, nothing was done. `hang`: never answers, nothing was done. `hang-after`: done, never answers. */
type Fault = "fail" | "hang" | "hang-after";

/** A log whose operations fail on request. The list of a session's streams goes through unless it is named. */
export class FaultyLog implements EventLog {
  readonly #log: EventLog;
  #isFaulty: (operation: Operation, stream: string, payload: string) => Fault | undefined = () => undefined;
  readonly calls: Operation[] = [];

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** From now on, until {@link heal}. */
  breakWhen(isFaulty: (operation: Operation, stream: string, payload: string) => Fault | undefined): void {
    this.#isFaulty = isFaulty;
  }

  heal(): void {
    this.#isFaulty = () => undefined;
  }

  append(...args: Parameters<EventLog["append"]>): Promise<Position> {
    return this.#run("append", args[0], args[1], () => this.#log.append(...args));
  }

  read(...args: Parameters<EventLog["read"]>): ReturnType<EventLog["read"]> {
    return this.#run("read", args[0], "", () => this.#log.read(...args));
  }

  subscribe(stream: string, wake: () => void): () => void {
    return this.#log.subscribe(stream, wake);
  }

  end(stream: string): Promise<void> {
    return this.#run("end", stream, "", () => this.#log.end(stream));
  }

  delete(stream: string): Promise<void> {
    return this.#run("delete", stream, "", () => this.#log.delete(stream));
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  #run<T>(operation: Operation, stream: string, payload: string, work: () => Promise<T>): Promise<T> {
    this.calls.push(operation);
    const fault = this.#isFaulty(operation, stream, payload);
    if (fault === "fail") return Promise.reject(new Error("the storage is gone"));
    if (fault === "hang") return new Promise(() => undefined);
    const answer = work();
    return fault === undefined ? answer : new Promise(() => undefined);
  }
}
