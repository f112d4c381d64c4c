import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatEventId, MAX_EVENT_ID_LENGTH, parseEventId } from "../src/store/event-id.js";
import { repetitions } from "../../../test-support/repetitions.js";

const numRuns = repetitions({ full: 20_000, scaled: 300 });

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom(":", "%", "+", "/", "u", "D", "8", "0", "\uD800", "\uDC00", "é", "\u0000"),
    maxLength: 20,
  }),
);
const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const unstored = fc.record({ life: fc.stringMatching(/^[0-9a-z]{1,24}$/), number: seq });
const eventId = fc.record(
  { seq, epoch: anyText.filter((text) => text !== "" && text.length <= 12), stream: anyText, unstored },
  { requiredKeys: ["seq", "epoch", "stream"] },
);

describe("an event id", () => {
  test("names position, epoch and stream, readably", () => {
    const id = formatEventId({ seq: 7, epoch: "3fa9", stream: "_GET_stream" });
    expect(id).toBe("7:3fa9:_GET_stream");
    expect(parseEventId(id)).toEqual({ seq: 7, epoch: "3fa9", stream: "_GET_stream" });
  });

  test("comes back as it was, for any stream", () => {
    fc.assert(
      fc.property(eventId, (id) => {
        const text = formatEventId(id);
        expect(text).toMatch(/^[!-~]+$/);
        expect(parseEventId(text)).toEqual(id);
      }),
      { numRuns },
    );
  });

  test("is safe in a header", () => {
    fc.assert(
      fc.property(eventId, (id) => {
        const text = formatEventId(id);
        expect(new Headers({ "last-event-id": text }).get("last-event-id")).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  test("differs when any part of it differs", () => {
    fc.assert(
      fc.property(eventId, eventId, (one, other) => {
        const isSame = JSON.stringify(one) === JSON.stringify(other);
        expect(formatEventId(one) === formatEventId(other)).toBe(isSame);
      }),
      { numRuns },
    );
  });

  test("that is garbage is no id, and never an exception", () => {
    const garbage = fc.oneof(
      anyText,
      fc.tuple(anyText, anyText, anyText).map((parts) => parts.join(":")),
      fc.tuple(eventId, fc.nat(), anyText).map(([id, at, insertion]) => {
        const text = formatEventId(id);
        const place = at % (text.length + 1);
        return text.slice(0, place) + insertion + text.slice(place);
      }),
    );
    fc.assert(
      fc.property(garbage, (text) => {
        const parsed = parseEventId(text);
        // What is taken must be the one spelling of what it says.
        if (parsed !== undefined) expect(formatEventId(parsed)).toBe(text);
      }),
      { numRuns },
    );
  });

  test.each([
    ["nothing", ""],
    ["no seq", ":epoch:stream"],
    ["seq 0", "0:epoch:stream"],
    ["a negative seq", "-1:epoch:stream"],
    ["a seq with leading zeros", "01:epoch:stream"],
    ["a seq with a fraction", "1.5:epoch:stream"],
    ["a seq beyond what numbers hold", "9007199254740993:epoch:stream"],
    ["no epoch", "1::stream"],
    ["two parts", "1:epoch"],
    ["four parts", "1:epoch:stream:more"],
    ["another spelling of the stream", "1:epoch:%73tream"],
    ["lower-case escapes", "1:epoch:a%3ab"],
    ["broken escapes", "1:epoch:%E0%A4%A"],
    ["a pair spelled as two surrogates", "1:epoch:%uD83D%uDE00"],
    ["an escaped character that is no surrogate", "1:epoch:%u0041"],
    ["a mark without a number", "1+life:epoch:stream"],
    ["a mark with number 0", "1+life.0:epoch:stream"],
    ["a line break at the end", "1:epoch:stream\n"],
  ])("with %s is malformed", (_name, text) => {
    expect(parseEventId(text)).toBeUndefined();
  });

  test("is not looked at when it is too long", () => {
    const fits = `1:e:${"s".repeat(MAX_EVENT_ID_LENGTH - 4)}`;
    expect(parseEventId(fits)).toBeDefined();
    expect(parseEventId(`${fits}s`)).toBeUndefined();
  });
});
