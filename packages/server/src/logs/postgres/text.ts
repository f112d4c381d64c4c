/*
 * Postgres refuses the NUL character in text, and UTF-8 has nothing for half a surrogate pair. Both are written as
 * U+0001 and four hexadecimal digits, and so is U+0001 itself; everything else is stored as it is, so that a person
 * with `psql` can read it.
 */
const ESCAPE = "\u0001";
// eslint-disable-next-line no-control-regex
const UNSTORABLE = /[\u0000\u0001\p{Surrogate}]/gu;
// eslint-disable-next-line no-control-regex
const ESCAPED = /\u0001([0-9a-f]{4})/g;

/** Any string as text that Postgres takes; different strings give different texts. */
export function toText(value: string): string {
  return value.replace(UNSTORABLE, (unit) => `${ESCAPE}${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The string that was given to {@link toText}. */
export function fromText(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replace(ESCAPED, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}
