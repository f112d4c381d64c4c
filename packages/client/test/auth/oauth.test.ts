import { UnauthorizedError as UnauthorizedErrorV2 } from "@modelcontextprotocol/client";
import { UnauthorizedError as UnauthorizedErrorV1 } from "@modelcontextprotocol/sdk/client/auth.js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { fromOAuth as fromOAuthV1 } from "../../src/auth/sdk-v1.js";
import { fromOAuth as fromOAuthV2 } from "../../src/auth/sdk-v2.js";
import { memoryStore } from "../../src/index.js";
import {
  callTool,
  failureOf,
  type LifeOptions,
  prepareLife,
  startLife,
  textOf,
  textResult,
} from "../sdk/clients.js";
import { eventually } from "../sdk/eventually.js";
import { startServer } from "../sdk/mcp-server.js";
import { TestLocks } from "../stores/web-locks.js";
import { AppCredentials, guard, startAuthorizationServer } from "./authorization-server.js";

const SDKS = [
  { sdk: "1.x", fromOAuth: fromOAuthV1, UnauthorizedError: UnauthorizedErrorV1 },
  { sdk: "2.x", fromOAuth: fromOAuthV2, UnauthorizedError: UnauthorizedErrorV2 },
] as const;

describe.each(SDKS)("the OAuth of SDK $sdk", ({ fromOAuth, UnauthorizedError }) => {
  async function start() {
    const server = await startServer();
    const authorization = await startAuthorizationServer(server);
    const needs = guard(server, authorization);
    const credentials = new AppCredentials();
    const authProvider = fromOAuth(credentials, { serverUrl: server.url });
    const logIn = async (): Promise<void> => authProvider.finishAuth(await credentials.logIn());
    const life = (options: LifeOptions = {}, store = memoryStore()) =>
      startLife(server.url, store, { authProvider, ...options });
    return { server, authorization, needs, credentials, authProvider, logIn, life };
  }

  /** An app whose user has logged in. */
  async function startLoggedIn() {
    const app = await start();
    const { transport } = prepareLife(app.server.url, memoryStore(), { authProvider: app.authProvider });
    await transport.start();
    const params = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "a", version: "1" },
    };
    await failureOf(transport.send({ jsonrpc: "2.0", id: 1, method: "initialize", params }));
    await transport.close();
    await app.logIn();
    app.authorization.grants.length = 0;
    app.credentials.redirects.length = 0;
    app.server.received.length = 0;
    return app;
  }

  test("asks the user to log in at the first connect, and connects after finishAuth", async () => {
    const { server, authorization, credentials, logIn, life } = await start();
    const error = await failureOf(life());
    expect(error).toMatchObject({ code: "unauthorized", status: 401, maybeExecuted: false });
    expect(error.cause).toBeInstanceOf(UnauthorizedError);
    expect(credentials.redirects).toHaveLength(1);

    await logIn();
    const connected = await life();
    const { result } = callTool(connected, "work");
    (await server.call("work")).result(textResult("done"));
    expect(textOf(await result)).toBe("done");
    expect(authorization.grants).toEqual(["authorization_code"]);
    expect(connected.errors).toEqual([]);
  });

  test("refreshes a token that expired while the connection was gone, and nothing is lost", async () => {
    const { server, authorization, credentials, life } = await startLoggedIn();
    const connected = await life();
    const { result, seen } = callTool(connected, "work");
    const call = await server.call("work");
    call.progress(1);
    await eventually(() => expect(seen).toEqual([1]));
    authorization.expire();
    server.cut();
    call.progress(2);
    call.result(textResult("done"));
    expect(textOf(await result)).toBe("done");
    expect(seen).toEqual([1, 2]);
    expect(authorization.grants).toEqual(["refresh_token"]);
    expect([server.calls.length, credentials.redirects.length, connected.errors]).toEqual([1, 0, []]);
  });

  test("refreshes once for ten streams that are refused at once", async () => {
    const { server, authorization, credentials, life } = await startLoggedIn();
    const connected = await life();
    const names = Array.from({ length: 10 }, (_, index) => `work-${index}`);
    const calls = names.map((name) => callTool(connected, name));
    for (const name of names) (await server.call(name)).progress(1);
    await eventually(() => expect(calls.map(({ seen }) => seen)).toEqual(names.map(() => [1])));
    authorization.expire();
    server.cut();
    for (const name of names) (await server.call(name)).result(textResult(name));
    expect((await Promise.all(calls.map(({ result }) => result))).map(textOf)).toEqual(names);
    expect(authorization.grants).toEqual(["refresh_token"]);
    expect([server.calls.length, credentials.redirects.length]).toEqual([10, 0]);
  });

  test.each(["cut", 503] as const)(
    "tries a refresh again that came to nothing (%s), instead of sending the user to log in",
    async (fault) => {
      const { server, authorization, credentials, life } = await startLoggedIn();
      const connected = await life();
      const { result, seen } = callTool(connected, "work");
      const call = await server.call("work");
      call.progress(1);
      await eventually(() => expect(seen).toEqual([1]));
      authorization.expire();
      authorization.faults.push(fault, fault);
      server.cut();
      call.result(textResult("done"));
      expect(textOf(await result)).toBe("done");
      expect(authorization.grants).toEqual(["refresh_token", "refresh_token", "refresh_token"]);
      expect([server.calls.length, credentials.redirects.length]).toEqual([1, 0]);
    },
  );

  test("gives up after one refresh when a server refuses every token", async () => {
    const { server, authorization, credentials, life } = await startLoggedIn();
    server.refuse = () => 401;
    expect(await failureOf(life())).toMatchObject({ code: "unauthorized", status: 401 });
    expect(authorization.grants).toEqual(["refresh_token"]);
    expect([server.received.length, credentials.redirects.length]).toEqual([2, 0]);
  });

  test("asks for one login when a refresh is refused to ten streams, which go on after it", async () => {
    const { server, authorization, credentials, logIn, life } = await startLoggedIn();
    const connected = await life();
    await server.listening();
    const names = Array.from({ length: 10 }, (_, index) => `work-${index}`);
    const calls = names.map((name) => callTool(connected, name));
    for (const name of names) (await server.call(name)).progress(1);
    await eventually(() => expect(calls.map(({ seen }) => seen)).toEqual(names.map(() => [1])));
    authorization.expire();
    authorization.refreshes = false;
    server.cut();
    const errors = await Promise.all(calls.map(({ result }) => failureOf(result)));
    for (const error of errors) {
      expect(error).toMatchObject({ code: "unauthorized", status: 401 });
      expect(error.cause).toBeInstanceOf(UnauthorizedError);
    }
    expect(credentials.redirects).toHaveLength(1);

    await logIn();
    for (const name of names) {
      const call = await server.call(name);
      call.progress(2);
      call.result(textResult(name));
    }
    const kept = connected.transport.interrupted();
    const progress = kept.map((call) => {
      const numbers: unknown[] = [];
      call.onprogress = (params) => numbers.push(params.progress);
      return numbers;
    });
    // They failed in any order.
    expect((await Promise.all(kept.map(({ result }) => result))).map(textOf).sort()).toEqual(names);
    expect(progress).toEqual(names.map(() => [2]));
    expect([server.calls.length, credentials.redirects.length]).toEqual([10, 1]);
    expect(connected.transport.interrupted()).toEqual([]);
  });

  test("a call that a login interrupted goes on by its key, and so does the standalone stream", async () => {
    const { server, authorization, credentials, logIn, life } = await startLoggedIn();
    const connected = await life();
    await server.listening();
    const first = callTool(connected, "work", { key: "k" });
    const call = await server.call("work");
    call.progress(1);
    await eventually(() => expect(first.seen).toEqual([1]));
    authorization.expire();
    authorization.refreshes = false;
    server.cut();
    expect(await failureOf(first.result)).toMatchObject({ code: "unauthorized" });
    await eventually(() => expect(server.session.listening.isConnected).toBe(false));

    await logIn();
    const again = callTool(connected, "work", { key: "k" });
    call.progress(2);
    call.result(textResult("done"));
    expect(textOf(await again.result)).toBe("done");
    expect([first.seen, again.seen]).toEqual([[1], [2]]);
    await server.listening();
    expect([server.calls.length, credentials.redirects.length]).toEqual([1, 1]);
  });

  test("a call of an earlier life waits for the login, and then goes on when it is claimed", async () => {
    const { server, authorization, credentials, logIn, life } = await startLoggedIn();
    const store = memoryStore();
    const before = await life({}, store);
    const { seen } = callTool(before, "work");
    const call = await server.call("work");
    call.progress(1);
    await eventually(() => expect(before.told("cursor").some(({ persisted }) => persisted)).toBe(true));
    await eventually(() => expect(seen).toEqual([1]));
    await before.client.close();
    authorization.expire();
    authorization.refreshes = false;

    const middle = await life({}, store);
    await eventually(() => expect(credentials.redirects).toHaveLength(1));
    await eventually(() =>
      expect(middle.errors).toEqual(
        expect.arrayContaining([expect.objectContaining({ code: "unauthorized" })]),
      ),
    );
    // The redirect takes the page away.
    await middle.client.close();
    await logIn();
    const after = await life({}, store);
    const [kept] = after.transport.interrupted();
    call.result(textResult("done"));
    expect(textOf(await kept?.result)).toBe("done");
    expect(server.calls).toHaveLength(1);
  });

  test("ten refusals in one tick are one refresh", async () => {
    const { authorization, authProvider } = await startLoggedIn();
    const token = await authProvider.token();
    authorization.expire();
    const refused = new Response(null, { status: 401 });
    await Promise.all(Array.from({ length: 10 }, () => authProvider.onUnauthorized(refused, token)));
    expect(authorization.grants).toEqual(["refresh_token"]);
    expect(await authProvider.token()).not.toBe(token);
  });

  test("two tabs that are refused at once refresh once between them", async () => {
    const { server, authorization, credentials, life } = await startLoggedIn();
    const locks = new TestLocks();
    vi.stubGlobal("navigator", { locks: locks.client("tab") });
    onTestFinished(() => void vi.unstubAllGlobals());
    const otherTab = fromOAuth(credentials, { serverUrl: server.url });
    const tabs = [await life(), await life({ authProvider: otherTab })];
    await eventually(() =>
      expect([...server.sessions.values()].map(({ listening }) => listening.isConnected)).toEqual([
        true,
        true,
      ]),
    );
    authorization.expire();
    const results = tabs.map((tab, index) => callTool(tab, `work-${index}`).result);
    for (const index of tabs.keys()) (await server.call(`work-${index}`)).result(textResult("done"));
    expect((await Promise.all(results)).map(textOf)).toEqual(["done", "done"]);
    expect([authorization.grants, credentials.redirects]).toEqual([["refresh_token"], []]);
    expect(locks.heldNames).toEqual([]);
  });

  test("a token that another tab has renewed is taken, and not renewed again", async () => {
    const { server, authorization, credentials, life } = await startLoggedIn();
    const connected = await life();
    const { result } = callTool(connected, "work");
    const call = await server.call("work");
    const refreshToken = credentials.tokens()?.refresh_token ?? "";
    authorization.expire();
    server.refuse = () => {
      guard(server, authorization);
      return (response) => {
        void authorization.exchangeRefreshToken(undefined, refreshToken).then((tokens) => {
          credentials.saveTokens(tokens);
          response.writeHead(401).end();
        });
      };
    };
    call.stream.cut();
    call.result(textResult("done"));
    expect(textOf(await result)).toBe("done");
    expect(authorization.grants).toEqual([]);
  });

  test("a 403 for another reason than the scope is not answered with a login", async () => {
    const { server, authorization, credentials, life } = await startLoggedIn();
    const connected = await life();
    await server.listening();
    server.refuse = () => 403;
    const { result } = callTool(connected, "work");
    expect(await failureOf(result)).toMatchObject({ code: "unauthorized", status: 403 });
    expect([authorization.grants, credentials.redirects]).toEqual([[], []]);
  });
});

describe("a scope that the token lacks", () => {
  async function start(fromOAuth: typeof fromOAuthV1 | typeof fromOAuthV2) {
    const server = await startServer();
    const authorization = await startAuthorizationServer(server);
    const needs = guard(server, authorization);
    const credentials = new AppCredentials();
    const authProvider = fromOAuth(credentials, { serverUrl: server.url });
    const logIn = async (): Promise<void> => authProvider.finishAuth(await credentials.logIn());
    await failureOf(startLife(server.url, memoryStore(), { authProvider }));
    await logIn();
    authorization.grants.length = 0;
    credentials.redirects.length = 0;
    const life = await startLife(server.url, memoryStore(), { authProvider });
    await server.listening();
    needs.scope = "files";
    return { server, authorization, credentials, logIn, life };
  }

  test("is asked for by SDK 2.x in a new login, together with those that it has", async () => {
    const { server, credentials, logIn, life } = await start(fromOAuthV2);
    const refused = await failureOf(callTool(life, "work").result);
    expect(refused).toMatchObject({ code: "unauthorized", status: 403, maybeExecuted: false });
    expect(refused.cause).toBeInstanceOf(UnauthorizedErrorV2);
    const [redirect] = credentials.redirects;
    expect(redirect?.searchParams.get("scope")?.split(" ").sort()).toEqual(["basic", "files"]);

    await logIn();
    const { result } = callTool(life, "work");
    (await server.call("work")).result(textResult("done"));
    expect(textOf(await result)).toBe("done");
    expect(credentials.redirects).toHaveLength(1);
  });

  test("is asked for by SDK 1.x in a refresh, once for the same challenge", async () => {
    const { authorization, credentials, life } = await start(fromOAuthV1);
    for (const name of ["one", "two", "three"])
      expect(await failureOf(callTool(life, name).result)).toMatchObject({
        code: "unauthorized",
        status: 403,
      });
    expect([authorization.grants, credentials.redirects]).toEqual([["refresh_token"], []]);
  });
});

test.each([
  ["the provider", {}, { serverUrl: "http://127.0.0.1/mcp" }],
  ["serverUrl", new AppCredentials(), { serverUrl: "/mcp" }],
])("says which option is wrong: %s", (name, provider, options) => {
  for (const fromOAuth of [fromOAuthV1, fromOAuthV2])
    // What a program without types may pass.
    expect(() => fromOAuth(provider as AppCredentials, options)).toThrow(
      expect.objectContaining({ code: "invalid-option", message: expect.stringContaining(name) as string }),
    );
});
