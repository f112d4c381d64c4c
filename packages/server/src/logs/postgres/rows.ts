import { EventStoreError } from "../../log/errors.js";

/**
 * One row of an answer, its columns read by name and checked: drivers and their settings differ in what they make of
 * 64-bit numbers (text, number, bigint).
 */
export class Row {
  readonly #columns: object;

  /** @throws {EventStoreError} `backend` when it is no row at all. */
  constructor(row: unknown) {
    if (typeof row !== "object" || row === null) throw unexpected("a row", row);
    this.#columns = row;
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value !== "string") throw unexpected(name, value);
    return value;
  }

  number(name: string): number {
    const value = this.numberOrNull(name);
    if (value === null) throw unexpected(name, value);
    return value;
  }

  numberOrNull(name: string): number | null {
    const value = this.#get(name);
    if (value === null) return null;
    const number = typeof value === "string" || typeof value === "bigint" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isSafeInteger(number)) throw unexpected(name, value);
    return number;
  }

  boolean(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== "boolean") throw unexpected(name, value);
    return value;
  }

  #get(name: string): unknown {
    return Reflect.get(this.#columns, name);
  }
}

function unexpected(name: string, value: unknown): EventStoreError {
  return new EventStoreError(
    "backend",
    `Postgres answered with ${name} = ${JSON.stringify(String(value))}.`,
    {
      mayHaveHappened: true,
    },
  );
}
