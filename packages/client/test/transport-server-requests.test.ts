import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { CreateMessageRequestSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { memoryStore, type StateStore } from "../src/index.js";
import {
  callTool,
  type Life,
  type LifeOptions,
  openStore,
  startLife,
  textOf,
  textResult,
} from "./sdk/clients.js";
import { type McpServer, startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

const FORM = { message: "How many?", requestedSchema: { type: "object", properties: {} } };
const SAMPLE = {
  messages: [{ role: "user", content: { type: "text", text: "Hello" } }],
  maxTokens: 5,
};
const SAMPLED = { model: "m", role: "assistant" as const, content: { type: "text" as const, text: "Hi" } };

/** A form that is shown and waits for its user. */
interface Form {
  readonly message: string;
  readonly signal: AbortSignal;
  readonly accept: (content?: Record<string, string>) => void;
}

/** A client whose forms wait for the test. */
async function startAsked(server: McpServer, store: StateStore, options: LifeOptions = {}) {
  const forms: Form[] = [];
  const samples: unknown[] = [];
  const prepare = (client: Client): void => {
    client.setRequestHandler(
      ElicitRequestSchema,
      ({ params: { message } }, { signal }) =>
        new Promise((resolve) => {
          forms.push({ message, signal, accept: (content = {}) => resolve({ action: "accept", content }) });
        }),
    );
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
      samples.push(params.maxTokens);
      return SAMPLED;
    });
  };
  const capabilities = { elicitation: {}, sampling: {} };
  const life: Life = await startLife(server.url, store, { capabilities, prepare, ...options });
  const shown = async (count: number): Promise<Form> => {
    await eventually(() => expect(forms).toHaveLength(count));
    return forms.at(-1)!;
  };
  return { ...life, forms, samples, shown };
}

/** The answers that reached the server, whatever session they were sent in. */
const answers = (server: McpServer) =>
  server.received.flatMap(({ message, headers }) =>
    message !== undefined && !("method" in message)
      ? [
          {
            id: message.id,
            session: headers["mcp-session-id"],
            result: "result" in message && message.result,
          },
        ]
      : [],
  );

test("a request of the server is answered under the server's own id, type kept", async () => {
  const server = await startServer();
  const life = await startAsked(server, memoryStore());
  callTool(life, "work");
  const call = await server.call("work");
  const { id, answer } = call.session.ask("elicitation/create", FORM, call.stream);
  (await life.shown(1)).accept({ n: "7" });
  expect(await answer).toEqual({ jsonrpc: "2.0", id, result: { action: "accept", content: { n: "7" } } });
  expect(id).toBe(0);
});

test("a form left open is shown again after a reload, once, and its answer reaches the server", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startAsked(server, store);
  callTool(first, "work");
  const call = await server.call("work");
  const { id, answer } = call.session.ask("elicitation/create", FORM, call.stream);
  await first.shown(1);
  await first.client.close();

  const second = await startAsked(server, store);
  const { result } = second.transport.interrupted()[0]!;
  (await second.shown(1)).accept();
  expect(await answer).toMatchObject({ id, result: { action: "accept" } });
  call.result(textResult("done"));
  expect(textOf(await result)).toBe("done");
  expect(second.forms).toHaveLength(1);
  expect(answers(server)).toHaveLength(1);
});

test("it is shown once also when the replay brings it again, be it claimed before or after the answer", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startAsked(server, store, { ack: "manual" });
  callTool(first, "work");
  const call = await server.call("work");
  await eventually(() => expect(first.told("cursor")).not.toEqual([]));
  first.transport.ack();
  call.progress(1);
  const { answer } = call.session.ask("elicitation/create", FORM, call.stream);
  await first.shown(1);
  await first.client.close();

  const second = await startAsked(server, store);
  (await second.shown(1)).accept();
  await answer;
  const { transport } = second;
  const interrupted = transport.interrupted()[0]!;
  const seen: unknown[] = [];
  interrupted.onprogress = ({ progress }) => seen.push(progress);
  call.result(textResult("done"));
  await interrupted.result;
  expect(seen).toEqual([1]);
  expect(second.forms).toHaveLength(1);
});

test("a request that was answered is not asked again in a later life, though its cursor was not persisted", async () => {
  const server = await startServer();
  const store = openStore();
  const first = await startAsked(server, store, { ack: "manual" });
  callTool(first, "work");
  const call = await server.call("work");
  await eventually(() => expect(first.told("cursor")).not.toEqual([]));
  first.transport.ack();
  const { answer } = call.session.ask("sampling/createMessage", SAMPLE, call.stream);
  expect(await answer).toMatchObject({ result: SAMPLED });
  // The server has the answer before the client knows that.
  await eventually(() => expect(store.records.at(-1)?.answered).toHaveLength(1));
  await first.client.close();

  const second = await startAsked(server, store);
  const { result } = second.transport.interrupted()[0]!;
  call.result(textResult("done"));
  await result;
  expect(second.samples).toEqual([]);
  expect(answers(server)).toHaveLength(1);
});

test("an answer that could not be sent before the reload is asked for again", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startAsked(server, store);
  callTool(first, "work");
  const call = await server.call("work");
  server.refuse = ({ method, rpc }) => (method === "POST" && rpc === undefined ? 503 : undefined);
  const { answer } = call.session.ask("elicitation/create", FORM, call.stream);
  (await first.shown(1)).accept({ from: "the first life" });
  await eventually(() => expect(answers(server).length).toBeGreaterThan(0));
  await first.client.close();

  server.refuse = () => undefined;
  const second = await startAsked(server, store);
  (await second.shown(1)).accept({ from: "the second life" });
  expect(await answer).toMatchObject({ result: { content: { from: "the second life" } } });
});

test("an answer is sent until it is accepted, over broken connections", async () => {
  const server = await startServer();
  const life = await startAsked(server, memoryStore());
  callTool(life, "work");
  const call = await server.call("work");
  let broken = 0;
  server.refuse = ({ method, rpc }) =>
    method === "POST" && rpc === undefined && ++broken <= 3 ? (response) => response.destroy() : undefined;
  const { answer } = call.session.ask("elicitation/create", FORM, call.stream);
  (await life.shown(1)).accept();
  expect(await answer).toMatchObject({ result: { action: "accept" } });
  expect(broken).toBe(4);
  expect(life.errors).toEqual([]);
});

test("what the server takes back is not shown after a reload", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startAsked(server, store);
  callTool(first, "work");
  const call = await server.call("work");
  const { id } = call.session.ask("elicitation/create", FORM, call.stream);
  const form = await first.shown(1);
  call.stream.append({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } });
  await eventually(() => expect(form.signal.aborted).toBe(true));
  await first.client.close();

  const second = await startAsked(server, store);
  const { result } = second.transport.interrupted()[0]!;
  call.result(textResult("done"));
  await result;
  expect(second.forms).toEqual([]);
});

test("what was asked on the stream of a call that is over is not asked again", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startAsked(server, store);
  const { result } = callTool(first, "work");
  const call = await server.call("work");
  call.session.ask("elicitation/create", FORM, call.stream);
  await first.shown(1);
  call.result(textResult("without you"));
  await result;
  await first.client.close();

  const second = await startAsked(server, store);
  await second.client.ping();
  expect(second.forms).toEqual([]);
});

test("requests on the standalone stream are asked again after a reload too", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startAsked(server, store);
  await server.listening();
  const { answer } = server.session.ask("elicitation/create", FORM, server.session.listening);
  await first.shown(1);
  await first.client.close();

  const second = await startAsked(server, store);
  (await second.shown(1)).accept();
  expect(await answer).toMatchObject({ result: { action: "accept" } });
});

test("the old session's question and the new one's, under the same id, each get their own answer", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startAsked(server, store);
  callTool(first, "old");
  const old = await server.call("old");
  const oldQuestion = old.session.ask("elicitation/create", { ...FORM, message: "old?" }, old.stream);
  await first.shown(1);
  await first.client.close();

  const second = await startAsked(server, store, { name: "another version" });
  expect(server.sessions.size).toBe(2);
  callTool(second, "new");
  const call = await server.call("new");
  const newQuestion = call.session.ask("elicitation/create", { ...FORM, message: "new?" }, call.stream);
  expect(newQuestion.id).toBe(oldQuestion.id);
  await second.shown(2);
  for (const form of second.forms) form.accept({ to: form.message });
  expect(await oldQuestion.answer).toMatchObject({ result: { content: { to: "old?" } } });
  expect(await newQuestion.answer).toMatchObject({ result: { content: { to: "new?" } } });
});

test("a question of the old session that stays open is asked again in a third life, and answered where it was asked", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startAsked(server, store);
  callTool(first, "old");
  const old = await server.call("old");
  await eventually(() => expect(first.told("cursor").some(({ persisted }) => persisted)).toBe(true));
  await first.client.close();

  const second = await startAsked(server, store, { name: "another version" });
  second.transport.interrupted()[0]!.onprogress = () => undefined;
  const { answer } = old.session.ask("elicitation/create", FORM, old.stream);
  await second.shown(1);
  await second.client.close();

  const third = await startAsked(server, store, { name: "another version" });
  (await third.shown(1)).accept();
  await answer;
  expect(answers(server).map(({ session }) => session)).toEqual([old.session.id]);
});

test("what a lost session asked on its standalone stream is not asked again", async () => {
  const server = await startServer();
  const store = openStore();
  const first = await startAsked(server, store);
  await server.listening();
  const { session } = server;
  session.ask("elicitation/create", FORM, session.listening);
  await first.shown(1);
  server.sessions.clear();
  session.listening.cut();
  await eventually(() => expect(first.told("sessionreplaced")).toHaveLength(1));
  await eventually(() => expect(store.records.at(-1)?.serverRequests).toEqual([]));
});

test("a ping that could not be answered is not kept", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startAsked(server, store);
  await server.listening();
  server.refuse = ({ method, rpc }) => (method === "POST" && rpc === undefined ? 503 : undefined);
  server.session.ask("ping", {}, server.session.listening);
  await eventually(() => expect(answers(server).length).toBeGreaterThan(0));
  await life.client.close();
  expect(store.records.at(-1)?.serverRequests).toEqual([]);
});

test("a ping of the server is answered, and never again after a reload", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startAsked(server, store);
  await server.listening();
  expect(await server.session.ask("ping", {}, server.session.listening).answer).toMatchObject({ result: {} });
  await first.client.close();
  const { client } = await startAsked(server, store);
  await client.ping();
  expect(answers(server)).toHaveLength(1);
});

test("a new session's question is asked although its event and its id are those of one that was answered", async () => {
  const server = await startServer();
  const life = await startAsked(server, memoryStore());
  for (const n of [1, 2]) {
    const question = `id: e1\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: 0, method: "elicitation/create", params: FORM })}\n\n`;
    server.refuse = ({ rpc }) =>
      rpc === "tools/call"
        ? (response) => void response.writeHead(200, { "Content-Type": "text/event-stream" }).write(question)
        : undefined;
    const { result } = callTool(life, "work");
    (await life.shown(n)).accept();
    await eventually(() => expect(answers(server)).toHaveLength(n));
    server.sessions.clear();
    server.refuse = () => undefined;
    server.cut();
    await expect(result).rejects.toMatchObject({ code: "session-lost" });
  }
});

test("a ping on the stream of the handshake is answered in its session, in that of a replacement too", async () => {
  const server = await startServer();
  server.refuse = ({ rpc, message }) => {
    if (rpc !== "initialize") return undefined;
    return (response) => {
      const session = server.openSession();
      const result = {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "t", version: "1" },
      };
      response.writeHead(200, { "Content-Type": "text/event-stream", "Mcp-Session-Id": session.id });
      const ping = { jsonrpc: "2.0", id: `ping of ${session.id}`, method: "ping" };
      for (const data of [ping, { jsonrpc: "2.0", id: (message as { id: string }).id, result }])
        response.write(`data: ${JSON.stringify(data)}\n\n`);
    };
  };
  const life = await startLife(server.url);
  const { id: lost } = server.session;
  server.sessions.delete(lost);
  await life.client.ping();
  const pings = () => answers(server).filter(({ id }) => String(id).startsWith("ping of"));
  await eventually(() => expect(pings()).toHaveLength(2));
  expect(pings().map(({ session, id }) => id === `ping of ${String(session)}`)).toEqual([true, true]);
});
