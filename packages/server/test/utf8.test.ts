import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";

/** Anything that a JavaScript string can be, lone surrogates included. */
const anyString = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
  .map((units) => String.fromCharCode(...units));

async function lengthOf(): Promise<(text: string) => number> {
  vi.resetModules();
  const { utf8Length } = await import("../src/log/text.js");
  return utf8Length;
}

function agreesWithTheEncoder(utf8Length: (text: string) => number): void {
  const encoder = new TextEncoder();
  fc.assert(
    fc.property(anyString, (text) => utf8Length(text) === encoder.encode(text).length),
    { numRuns: 2000 },
  );
}

afterEach(() => {
  vi.unstubAllGlobals();
});

it("counts the bytes that an encoder would write", async () => {
  expect((await lengthOf())("aé漢😀\ud800")).toBe(1 + 2 + 3 + 4 + 3);
  agreesWithTheEncoder(await lengthOf());
});

it("counts the same where there is no Buffer, as in browsers", async () => {
  vi.stubGlobal("Buffer", undefined);
  const utf8Length = await lengthOf();
  vi.unstubAllGlobals();
  agreesWithTheEncoder(utf8Length);
});
