/*
 * Backends take fewer keys than the protocol allows: unstorage strips and rewrites separators (`:`, `/`, `\`, `?`),
 * refuses `.` and `..` and hides what ends in `$`; file systems fold case and know names such as `con`; SQL tables and
 * memcached end at about 250 characters. So a key is written in lower-case letters, digits, `-`, `_` and `=`, short
 * enough for all of them, and such that different keys stay different.
 */
const LONGEST_KEY = 128;
const LONGEST_COLLECTION = 48;
const UNSAFE_UNIT = /[^a-z0-9_-]/g;

/** A key of a collection, as the two parts of a name that every backend takes. */
export async function safeKey(
  collection: string | undefined,
  key: string,
): Promise<readonly [string, string]> {
  const collectionPart = collection === undefined ? "n" : await safePart(collection, LONGEST_COLLECTION);
  return [collectionPart, await safePart(key, LONGEST_KEY)];
}

async function safePart(text: string, longest: number): Promise<string> {
  // By UTF-16 units, so that lone surrogates stay different too.
  const escaped = text.replace(UNSAFE_UNIT, (unit) => `=${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  // A prefix, so that nothing is empty, a reserved name, or equal to the hash of something else.
  return escaped.length <= longest ? `k-${escaped}` : `h-${await sha256(escaped)}`;
}

/** The first 160 bits: enough that nobody finds two keys with the same ones. */
async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  let hex = "";
  for (const byte of new Uint8Array(digest, 0, 20)) hex += byte.toString(16).padStart(2, "0");
  return hex;
}
