// Wakes the subscribers of streams: at once after changes by this process, by polling the file after those by others.
import { unref } from "../../log/waits.js";
import { WakeUps } from "../../log/wake-ups.js";
import { backendError, checkOpen, firstRow, type SqliteDatabase } from "./database.js";
import type { Statements } from "./statements.js";

/**
 * Polls `PRAGMA data_version`, which changes with the commits of other connections and not with our own, while there
 * are subscribers. SQLite has nothing that would tell another process of a commit.
 */
export class SqliteWakeUps {
  readonly #database: SqliteDatabase;
  readonly #statements: Statements;
  readonly #pollIntervalMs: number;
  readonly #local = new WakeUps();
  #subscriptions = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** The file's `data_version` when it was asked for last; `undefined` while the database fails. */
  #version: number | undefined;

  constructor(database: SqliteDatabase, statements: Statements, pollIntervalMs: number) {
    this.#database = database;
    this.#statements = statements;
    this.#pollIntervalMs = pollIntervalMs;
  }

  /**
   * From now on, until the returned function is called, no change goes unnoticed.
   *
   * @throws {EventStoreError} `backend`
   */
  subscribe(stream: string, wake: () => void): () => void {
    if (this.#subscriptions === 0) {
      this.#version = this.#readVersion();
      this.#timer = setInterval(() => this.#poll(), this.#pollIntervalMs);
      unref(this.#timer);
    }
    this.#subscriptions += 1;
    const unsubscribe = this.#local.subscribe(stream, wake);
    let isSubscribed = true;
    return () => {
      if (!isSubscribed) return;
      isSubscribed = false;
      unsubscribe();
      this.#subscriptions -= 1;
      if (this.#subscriptions === 0) clearInterval(this.#timer);
    };
  }

  /** This process has changed the stream. */
  wake(stream: string): void {
    this.#local.wake(stream);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#local.close();
  }

  #poll(): void {
    let version: number | undefined;
    try {
      version = this.#readVersion();
    } catch {
      // A subscriber that is woken reads, and learns then what is wrong; one wake-up is enough.
    }
    if (version === this.#version) return;
    this.#version = version;
    this.#local.wakeAll();
  }

  #readVersion(): number | undefined {
    checkOpen(this.#database);
    try {
      return firstRow(this.#statements.dataVersion.all())?.number("data_version");
    } catch (error) {
      throw backendError("when asked for changes", error);
    }
  }
}
