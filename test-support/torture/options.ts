// Reads the command line of `npm run torture`.
import { parseArgs } from "node:util";
import { CLIENT_KINDS, type ClientKind } from "./clients.js";
import { SCENARIOS, type Scenario } from "./scenarios.js";

export interface TortureArguments {
  readonly seeds: readonly number[];
  readonly scenarios: readonly Scenario[];
  readonly kinds: readonly ClientKind[];
}

const DEFAULT_SEEDS = 10;
const MAX_SEEDS = 1000;

export const TORTURE_HELP = `npm run torture -- [options]
  --seeds <n>         so many seeds, from 1; ${DEFAULT_SEEDS} unless told otherwise
  --seed <n>          this seed alone
  --scenario <names>  these alone, separated by commas: ${SCENARIOS.map(({ name }) => name).join(", ")}
  --client <names>    these alone, separated by commas: ${CLIENT_KINDS.join(", ")}`;

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > MAX_SEEDS)
    throw new Error(`${option} must be a whole number from 1 to ${MAX_SEEDS}, not "${text}".`);
  return value;
}

function chosen<Choice>(
  option: string,
  given: readonly string[] | undefined,
  choices: ReadonlyMap<string, Choice>,
): readonly Choice[] {
  const names = given?.flatMap((list) => list.split(",")) ?? [...choices.keys()];
  return [...new Set(names)].map((name) => {
    const choice = choices.get(name);
    if (choice === undefined)
      throw new Error(`${option} must be of ${[...choices.keys()].join(", ")}, not "${name}".`);
    return choice;
  });
}

/**
 * Reads the command line; `undefined` when it asks for help.
 *
 * @throws {Error} that says which argument is wrong and what is allowed.
 */
export function readTortureArguments(args: readonly string[]): TortureArguments | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string" },
      seed: { type: "string" },
      scenario: { type: "string", multiple: true },
      client: { type: "string", multiple: true },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  if (values.seed !== undefined && values.seeds !== undefined)
    throw new Error("--seed and --seeds exclude one another.");
  const count = wholeNumber("--seeds", values.seeds ?? String(DEFAULT_SEEDS));
  return {
    seeds:
      values.seed === undefined
        ? Array.from({ length: count }, (_, index) => index + 1)
        : [wholeNumber("--seed", values.seed)],
    scenarios: chosen(
      "--scenario",
      values.scenario,
      new Map(SCENARIOS.map((scenario) => [scenario.name, scenario])),
    ),
    kinds: chosen("--client", values.client, new Map(CLIENT_KINDS.map((kind) => [kind, kind]))),
  };
}
