/*
 * Names and payloads are stored as they are, so that a person with the `sqlite3` shell can read them. But `libsql`
 * cuts text off at a NUL character, and aborts the process on bytes. So a text with a NUL, or with our mark at its
 * start, is stored behind the mark, with both characters escaped.
 */
const MARK = "\u0001";
const MARK_UNIT = 1;
const ESCAPED_MARK = `${MARK}1`;
const ESCAPED_NUL = `${MARK}0`;

export function encodeText(text: string): string {
  if (!text.includes("\0") && !text.startsWith(MARK)) return text;
  return MARK + text.replaceAll(MARK, ESCAPED_MARK).replaceAll("\0", ESCAPED_NUL);
}

export function decodeText(stored: unknown): string {
  if (typeof stored !== "string") throw new TypeError(`A stored payload must be text, not ${typeof stored}.`);
  if (stored.charCodeAt(0) !== MARK_UNIT) return stored;
  return stored.slice(MARK.length).replaceAll(ESCAPED_NUL, "\0").replaceAll(ESCAPED_MARK, MARK);
}
