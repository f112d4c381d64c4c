const RANDOM_BYTES = 12;

/** 96 random bits as 24 lower-case hexadecimal digits: unguessable, header-safe, and safe as a part of any key. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  let id = "";
  for (const byte of bytes) id += byte.toString(16).padStart(2, "0");
  return id;
}
