import { ResumeError } from "../errors.js";

/** Which slots a store offers, and how many it keeps that no client holds. */
export interface SlotOptions {
  /**
   * The name of this client's own slot, where nothing else remembers it (a worker, a command-line program):
   * 1 to 64 characters of `a-z`, `0-9`, `-`. Clients without this name never get the slot.
   * @defaultValue none: an orphan of the same scope is adopted, the most recently used first
   */
  readonly slotName?: string;
  /** How long to wait for one's own slot while another client still holds it, in milliseconds. @defaultValue 2000 */
  readonly waitMs?: number;
  /** How many records without a live client are kept per scope; the oldest go first. @defaultValue 20 */
  readonly maxOrphans?: number;
  /** How old a record without a live client may grow, in milliseconds. @defaultValue 604800000, seven days */
  readonly orphanMaxAgeMs?: number;
}

/** @throws {ResumeError} `invalid-option` */
export function wholeNumber(option: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new ResumeError(
      "invalid-option",
      `${option} is ${String(value)}; it must be a whole number from ${least} to ${most}`,
    );
  return value;
}

/** The options with their defaults. @throws {ResumeError} `invalid-option` */
export function checkSlotOptions(
  options: SlotOptions,
): Required<Omit<SlotOptions, "slotName">> & SlotOptions {
  const { slotName } = options;
  if (slotName !== undefined && !/^[a-z0-9-]{1,64}$/.test(slotName))
    throw new ResumeError(
      "invalid-option",
      `slotName is ${JSON.stringify(slotName)}; it must be 1 to 64 characters of a-z, 0-9 and -`,
    );
  return {
    ...options,
    waitMs: wholeNumber("waitMs", options.waitMs ?? 2000, 0, 60_000),
    maxOrphans: wholeNumber("maxOrphans", options.maxOrphans ?? 20, 1, 1000),
    orphanMaxAgeMs: wholeNumber(
      "orphanMaxAgeMs",
      options.orphanMaxAgeMs ?? 604_800_000,
      60_000,
      Number.MAX_SAFE_INTEGER,
    ),
  };
}
