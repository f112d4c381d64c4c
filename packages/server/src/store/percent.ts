const LONE_SURROGATE = /(\p{Surrogate})/u;
const ESCAPED_SURROGATE = /(%u[0-9A-F]{4})/;

/**
 * Any string as visible ASCII without `:`, `+` and `/`: percent-encoded as in a URL. A lone surrogate, which UTF-8
 * cannot hold, becomes `%u` and its four digits; a percent sign itself is always `%25`, so the two never meet.
 */
export function percentEncode(text: string): string {
  if (!LONE_SURROGATE.test(text)) return encodeURIComponent(text);
  return text
    .split(LONE_SURROGATE)
    .map((part) => (LONE_SURROGATE.test(part) ? escapeSurrogate(part) : encodeURIComponent(part)))
    .join("");
}

/** @returns `undefined` for what {@link percentEncode} does not write, other spellings of the same text included. */
export function percentDecode(encoded: string): string | undefined {
  try {
    const text = encoded
      .split(ESCAPED_SURROGATE)
      .map((part) => (ESCAPED_SURROGATE.test(part) ? unescapeSurrogate(part) : decodeURIComponent(part)))
      .join("");
    return percentEncode(text) === encoded ? text : undefined;
  } catch {
    // decodeURIComponent throws URIError for what is no UTF-8.
    return undefined;
  }
}

function escapeSurrogate(unit: string): string {
  return `%u${unit.charCodeAt(0).toString(16).toUpperCase()}`;
}

function unescapeSurrogate(escaped: string): string {
  return String.fromCharCode(Number.parseInt(escaped.slice(2), 16));
}
