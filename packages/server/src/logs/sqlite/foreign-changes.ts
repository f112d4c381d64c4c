import { backendError, checkOpen, firstRow, type SqliteDatabase } from "./database.js";
import type { Statements } from "./statements.js";
import { unref } from "../../log/unref.js";

/**
 * Notices what other connections commit to the file, by `PRAGMA data_version`, which changes with their commits and
 * not with our own. SQLite has nothing that would tell another process; so this asks, while somebody listens.
 */
export class ForeignChanges {
  readonly #database: SqliteDatabase;
  readonly #statements: Statements;
  readonly #intervalMs: number;
  readonly #onChange: () => void;
  #listeners = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** `undefined` while the database fails. */
  #version: number | undefined;

  constructor(database: SqliteDatabase, statements: Statements, intervalMs: number, onChange: () => void) {
    this.#database = database;
    this.#statements = statements;
    this.#intervalMs = intervalMs;
    this.#onChange = onChange;
  }

  /**
   * From now on, until the returned function is called, no change goes unnoticed.
   *
   * @throws {EventStoreError} `backend`
   */
  listen(): () => void {
    if (this.#listeners === 0) {
      this.#version = this.#read();
      this.#timer = setInterval(() => this.#poll(), this.#intervalMs);
      unref(this.#timer);
    }
    this.#listeners += 1;
    let isListening = true;
    return () => {
      if (!isListening) return;
      isListening = false;
      this.#listeners -= 1;
      if (this.#listeners === 0) clearInterval(this.#timer);
    };
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #poll(): void {
    let version: number | undefined;
    try {
      version = this.#read();
    } catch {
      // A listener who is woken reads, and is told what is wrong; once is enough.
    }
    if (version === this.#version) return;
    this.#version = version;
    this.#onChange();
  }

  #read(): number | undefined {
    checkOpen(this.#database);
    try {
      return firstRow(this.#statements.dataVersion.all())?.number("data_version");
    } catch (error) {
      throw backendError("when asked for changes", error);
    }
  }
}
