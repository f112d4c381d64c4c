import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { EventStore } from "../src/sdk/event-store.js";
import { collector, numbered } from "./support/messages.js";

const RUNS = repetitions({ full: 2_000, scaled: 60 });
const IDS_PER_RUN = 50;

/** Names that tempt: separators, escapes, prefixes of one another, parts of ids. */
const piece = fc.constantFrom(
  "a",
  "b",
  ":",
  "%",
  "%3A",
  "s:",
  "u:",
  "i:",
  "/",
  "+",
  " ",
  "é",
  "\uD800",
  "_GET_stream",
  "1",
);
/** From so few that session and stream, one behind the other, often read as those of another pair. */
const fewPieces = fc.array(fc.constantFrom("a", ":"), { maxLength: 4 });
const name = fc.oneof(fc.array(piece, { maxLength: 4 }), fewPieces).map((pieces) => pieces.join(""));
const sessionName = name.filter((text) => text !== "");
const event = fc.record({ session: fc.nat(), stream: name });

/** A way to make a new id out of ids that exist. */
const forgery = fc.record({
  first: fc.nat(),
  second: fc.nat(),
  third: fc.nat(),
  kind: fc.constantFrom("as it is", "recombined", "truncated", "mutated", "extended", "shifted"),
  at: fc.nat(),
  text: name,
});

function forge(
  ids: readonly string[],
  how: typeof forgery extends fc.Arbitrary<infer T> ? T : never,
): string {
  const pick = (index: number): string => ids[index % ids.length] ?? "";
  const id = pick(how.first);
  const place = how.at % (id.length + 1);
  const part = (index: number, source: number): string => pick(source).split(":")[index] ?? "";
  switch (how.kind) {
    case "as it is":
      return id;
    case "recombined":
      return [part(0, how.first), part(1, how.second), part(2, how.third)].join(":");
    case "truncated":
      return id.slice(0, place);
    case "mutated":
      return id.slice(0, place) + how.text + id.slice(place + 1);
    case "extended":
      return id + how.text;
    case "shifted":
      return id.replace(/^\d+/, String(how.at % 5));
  }
}

describe("a session", () => {
  test(`never receives an event that was not stored in it (${RUNS * IDS_PER_RUN} ids)`, async () => {
    let replays = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(sessionName, { minLength: 2, maxLength: 5 }),
        fc.array(event, { minLength: 4, maxLength: 30 }),
        fc.array(forgery, { minLength: IDS_PER_RUN, maxLength: IDS_PER_RUN }),
        async (sessions, events, forgeries) => {
          const store = new EventStore();
          const ids: string[] = [];
          /** Which session, and which stream of it, each message was stored in; the unscoped one is "". */
          const homes: { readonly session: string; readonly stream: string }[] = [];
          for (const [number, { session, stream }] of events.entries()) {
            const home = ["", ...sessions][session % (sessions.length + 1)] ?? "";
            const target = home === "" ? `direct ${stream}` : stream;
            const message = numbered(number);
            const storing =
              home === ""
                ? store.storeEvent(target, message)
                : store.forSession(home).storeEvent(target, message);
            ids.push(await storing);
            homes.push({ session: home, stream: target });
          }
          for (const how of forgeries) {
            const id = forge(ids, how);
            for (const session of sessions) {
              const { received, send } = collector();
              const outcome = await store.forSession(session).replay(id, send);
              if (outcome.kind === "resumed") replays += 1;
              for (const { message } of received) {
                const { number } = message.params as { number: number };
                expect(homes[number]?.session).toBe(session);
              }
              const streams = received.map(
                ({ message }) => homes[(message.params as { number: number }).number]?.stream,
              );
              expect(new Set(streams).size).toBeLessThanOrEqual(1);
            }
          }
        },
      ),
      { numRuns: RUNS },
    );
    // Ids that are taken as they are must resume, else this shows nothing.
    expect(replays).toBeGreaterThan(RUNS);
  });
});
