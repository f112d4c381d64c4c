import { describe, expect, test } from "vitest";
import { memoryStore, ResumableTransport, ResumeError } from "../src/index.js";

const URL_ = "https://mcp.example/mcp";

/** What the constructor makes of options as plain JavaScript would pass them. */
function construct(options: Record<string, unknown>, url: unknown = URL_): unknown {
  try {
    return Reflect.construct(ResumableTransport, [url, { store: memoryStore(), ...options }]);
  } catch (error) {
    return error;
  }
}

const OUT_OF_RANGE: readonly (readonly [string, unknown])[] = [
  ...["maxAgeMs", "maxElapsedMs", "silenceMs", "answerTimeoutMs"].flatMap((name) =>
    [0, -1, NaN, Infinity, 2 ** 31, "1000", null].map((value) => [name, value] as const),
  ),
  ...["maxMessageLength", "maxQueuedMessages"].flatMap((name) =>
    [0, -1, 1.5, NaN, Infinity, "5", null].map((value) => [name, value] as const),
  ),
  ...[1, 0, -2, 2.5, NaN, -Infinity, "4", null].map((value) => ["maxConnections", value] as const),
  ["ack", "later"],
  ["ack", true],
  ["partition", 5],
  ["partition", null],
  ["fetch", "fetch"],
  ["fetch", null],
  ["saveParams", "no"],
  ["random", 0.5],
  ["credentials", "always"],
  ["authProvider", { token: "abc" }],
  ["authProvider", { token: () => "abc", onUnauthorized: true }],
  ["authProvider", "abc"],
  ["headers", { "bad name": "x" }],
  ["headers", { name: "line\nbreak" }],
  ["headers", "x"],
  ["headers", null],
  ["store", undefined],
  ["store", {}],
  ["store", null],
  ["store", "memory"],
];

describe("an option out of range is named, with what is allowed", () => {
  test.each(OUT_OF_RANGE)("%s: %j", (name, value) => {
    const error = construct({ [name]: value });
    expect(error).toBeInstanceOf(ResumeError);
    expect(error).toMatchObject({ code: "invalid-option" });
    expect((error as ResumeError).message).toMatch(new RegExp(`^Option ${name} must be `));
  });

  test("the options themselves", () => {
    for (const options of [undefined, null, "x"]) {
      expect(() => {
        Reflect.construct(ResumableTransport, [URL_, options]);
      }).toThrow(/^Option store must be /);
    }
  });

  test.each(["", "/mcp", "mcp.example", "ws://mcp.example", "file:///etc", undefined, 5])(
    "url: %j",
    (url) => {
      const error = construct({}, url ?? null);
      expect(error).toMatchObject({ code: "invalid-option" });
      expect((error as ResumeError).message).toMatch(/^Option url must be /);
    },
  );

  test("a URL with a password is refused without repeating the password", () => {
    const error = construct({}, "https://anna:secret@mcp.example/mcp");
    expect(error).toMatchObject({ code: "invalid-option" });
    expect((error as ResumeError).message).not.toContain("secret");
  });
});

test.each<readonly [string, Record<string, unknown>]>([
  ["nothing but a store", {}],
  [
    "the smallest",
    {
      maxAgeMs: 1,
      maxElapsedMs: 1,
      silenceMs: 1,
      answerTimeoutMs: 1,
      maxMessageLength: 1,
      maxQueuedMessages: 1,
      maxConnections: 2,
    },
  ],
  [
    "the largest",
    {
      maxAgeMs: 2 ** 31 - 1,
      maxElapsedMs: 2 ** 31 - 1,
      maxQueuedMessages: Number.MAX_SAFE_INTEGER,
      maxConnections: Infinity,
    },
  ],
  [
    "undefined, which is as if it were left out",
    { maxAgeMs: undefined, ack: undefined, fetch: undefined, headers: undefined },
  ],
  [
    "all the others",
    {
      ack: "manual",
      partition: "",
      saveParams: false,
      credentials: "include",
      headers: { a: "b" },
      random: () => 0,
      authProvider: { token: () => undefined },
    },
  ],
])("options are taken that are %s", (_, options) => {
  expect(construct(options)).toBeInstanceOf(ResumableTransport);
});

test("a URL object is taken too", () => {
  expect(construct({}, new URL(URL_))).toBeInstanceOf(ResumableTransport);
});
