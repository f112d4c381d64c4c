// Tests that streams with odd and similar names are kept apart.

import assert from "node:assert/strict";
import { MAX_STREAM_NAME_BYTES } from "@resumable-mcp/server";
import { appendAll, keep, type LogTest, payloadsOf, readPage } from "./fixture.js";

/** Names that a careless key, path, pattern or query would take for one another. */
const ODD_NAMES = [
  ...["", " ", "  ", "a", "A", "aa", "a ", " a", "0a", "1a", "a1", "a-1", "a_1"],
  ...[
    "a:",
    ":a",
    "a:b",
    "a::b",
    "a/b",
    "a//b",
    "/a/b",
    "a\\b",
    "a.b",
    ".",
    "..",
    "../a",
    "a?b",
    "a?c",
    "a#b",
  ],
  ...["a$", "$a", "a%", "%61", "a*", "*", "a_", "?", "[a]", "{a}", "{b}a", "a,b", "a;b", "a'b", 'a"b', "a`b"],
  ...["a\n", "a\tb", "a\r\nb", "a=b", "=0061", "a&b", "a+b", "a@b", "a!b", "a|b", "<a>", "~a", "^a"],
  ...["é", "e\u0301", "É", "ß", "ss", "漢字", "😀", "😁", "\u2028", "\ufeff", "\ufeffa", "İ", "ı", "i"],
  ...["null", "undefined", "true", "0", "00", "-1", "1e3", "NaN", "__proto__", "constructor", "toString"],
  ...["\0", "a\0", "a\0b", "\u0001", "\u00010", "\u0001d800", "\ud800", "\ud801", "a\udc00", "\ufffd"],
  ...["con", "nul", "head", "heads", "events", "meta", "_GET_stream"],
  "a".repeat(1024),
  `${"a".repeat(1023)}b`,
  `b${"a".repeat(1023)}`,
  "漢".repeat(341),
  "a".repeat(MAX_STREAM_NAME_BYTES),
  `${"a".repeat(MAX_STREAM_NAME_BYTES - 1)}b`,
];

const described = (name: string): string => JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name);

export function isolationTests(test: LogTest): void {
  test("keeps apart streams whose names look alike, odd, or like patterns", async ({ log }) => {
    assert.equal(new Set(ODD_NAMES).size, ODD_NAMES.length);
    await Promise.all(ODD_NAMES.map((name, index) => appendAll(log, name, [`${index}`, `${index} again`])));
    for (const [index, name] of ODD_NAMES.entries()) {
      assert.deepEqual(
        payloadsOf(await readPage(log, name)),
        [`${index}`, `${index} again`],
        described(name),
      );
    }
  });

  test("deletes, ends and trims one stream without touching its namesakes", async ({ log }) => {
    await Promise.all(ODD_NAMES.map((name) => appendAll(log, name, [`event of ${name.length}`])));
    for (const [index, name] of ODD_NAMES.entries()) {
      if (index % 3 === 0) await log.delete(name);
      else if (index % 3 === 1) await log.end(name);
      else await log.append(name, "newest", keep({ maxEvents: 1 }));
    }
    for (const [index, name] of ODD_NAMES.entries()) {
      const page = await log.read(name, 0, 10);
      if (index % 3 === 0) {
        assert.equal(page, undefined, described(name));
      } else if (index % 3 === 1) {
        assert.equal(page?.ended, true, described(name));
        assert.deepEqual(payloadsOf(page), [`event of ${name.length}`], described(name));
      } else {
        assert.deepEqual(page?.entries, [{ seq: 2, payload: "newest" }], described(name));
        assert.equal(page.ended, false, described(name));
      }
    }
  });
}
