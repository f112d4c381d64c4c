import { expect, test } from "vitest";
import { memoryStore } from "../src/index.js";
import { isSetting, listChanges, Settings } from "../src/session/settings.js";
import { emptyRecord } from "../src/state/client-record.js";
import { Saver } from "../src/state/saver.js";

const request = (method: string, params?: Record<string, unknown>) =>
  ({ jsonrpc: "2.0", id: 1, method, ...(params && { params }) }) as const;

/** Settings, none so far, and the record that they are saved in. */
async function start(): Promise<{ readonly saver: Saver; readonly settings: Settings }> {
  const saver = await Saver.open({
    store: memoryStore(),
    scope: { serverUrl: "http://127.0.0.1/mcp", partition: "" },
    maxAgeMs: 60_000,
    onError(error) {
      throw error;
    },
    signal: new AbortController().signal,
  });
  return { saver, settings: new Settings(saver) };
}

test.each([
  ["logging/setLevel", true],
  ["resources/subscribe", true],
  ["resources/unsubscribe", true],
  ["resources/read", false],
  ["x/resources/subscribe", false],
  ["logging/setLevel/x", false],
  ["tools/call", false],
])("whether %s is a setting: %s", (method, expected) => {
  expect(isSetting(request(method))).toBe(expected);
});

test("the last log level and the resources still subscribed to are remembered, each once", async () => {
  const { saver, settings } = await start();
  for (const setting of [
    request("logging/setLevel", { level: "info" }),
    request("resources/subscribe", { uri: "a" }),
    request("resources/subscribe", { uri: "b" }),
    request("resources/subscribe", { uri: "a" }),
    request("resources/unsubscribe", { uri: "b" }),
    request("resources/unsubscribe", { uri: "never" }),
    request("logging/setLevel", { level: "error" }),
    request("logging/setLevel", { level: 5 }),
    request("resources/subscribe", { uri: 5 }),
    request("resources/subscribe"),
  ])
    settings.remember(setting);
  expect(saver.toJSON()).toEqual({ ...emptyRecord(), logLevel: "error", subscriptions: ["a"] });
  expect(settings.requests().map(({ method, params }) => [method, params])).toEqual([
    ["logging/setLevel", { level: "error" }],
    ["resources/subscribe", { uri: "a" }],
  ]);
});

test("without settings there is nothing to tell a new session", async () => {
  const { settings } = await start();
  expect(settings.requests()).toEqual([]);
});

test.each<readonly [unknown, readonly string[]]>([
  [
    { tools: {}, prompts: { listChanged: true }, resources: {}, logging: {} },
    ["tools", "prompts", "resources"],
  ],
  [{ tools: {} }, ["tools"]],
  [{ tools: true }, []],
  [{}, []],
  [undefined, []],
  ["tools", []],
])("of a server with capabilities %j the lists %j have changed", (capabilities, lists) => {
  expect(listChanges({ capabilities })).toEqual(
    lists.map((list) => ({ jsonrpc: "2.0", method: `notifications/${list}/list_changed` })),
  );
});
