import { expect, test } from "vitest";
import { emptyRecord } from "../src/state/session-state.js";
import { isSetting, listChanges, rememberSetting, settingRequests } from "../src/session/settings.js";

const request = (method: string, params?: Record<string, unknown>) =>
  ({ jsonrpc: "2.0", id: 1, method, ...(params && { params }) }) as const;

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

test("the last log level and the resources still subscribed to are remembered, each once", () => {
  const record = emptyRecord();
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
    rememberSetting(record, setting);
  expect(record).toEqual({ ...emptyRecord(), logLevel: "error", subscriptions: ["a"] });
  expect(settingRequests(record).map(({ method, params }) => [method, params])).toEqual([
    ["logging/setLevel", { level: "error" }],
    ["resources/subscribe", { uri: "a" }],
  ]);
});

test("without settings there is nothing to tell a new session", () => {
  expect(settingRequests(emptyRecord())).toEqual([]);
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
