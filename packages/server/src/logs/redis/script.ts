/**
 * A Lua script, which the server knows by its SHA-1 once it has run it. Its first argument is the mark of the call, and
 * so is the first element of its answer.
 */
export class Script {
  /** For error messages. */
  readonly name: string;
  /** Whether it changes anything. */
  readonly isWrite: boolean;
  readonly source: string;
  #sha: string | undefined;

  constructor(name: string, isWrite: boolean, source: string) {
    this.name = name;
    this.isWrite = isWrite;
    this.source = source;
  }

  /** The SHA-1 of the source in hexadecimal, once {@link hash} has found it. */
  get sha(): string | undefined {
    return this.#sha;
  }

  async hash(): Promise<string> {
    this.#sha ??= await sha1(this.source);
    return this.#sha;
  }
}

async function sha1(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  let hex = "";
  for (const byte of new Uint8Array(digest)) hex += byte.toString(16).padStart(2, "0");
  return hex;
}
