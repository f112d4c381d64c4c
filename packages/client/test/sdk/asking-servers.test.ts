import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, onTestFinished, test } from "vitest";
import { memoryStore, ResumableTransport, type StateStore } from "../../src/index.js";
import { QUESTION, startAskingServer } from "./asking-servers.js";
import { textOf } from "./clients.js";
import { eventually } from "./eventually.js";

const INFO = { name: "app", version: "1" };
const CAPABILITIES = { capabilities: { elicitation: {} } };

interface Forms {
  readonly shown: string[];
  readonly fillIn: ((answer: string) => void)[];
}

const show =
  ({ shown, fillIn }: Forms) =>
  ({ params }: { params: { message: string } }) =>
    new Promise<{ action: "accept"; content: { answer: string } }>((resolve) => {
      shown.push(params.message);
      fillIn.push((answer) => resolve({ action: "accept", content: { answer } }));
    });

const CLIENTS = {
  "1.32": async (transport: ResumableTransport, forms: Forms) => {
    const client = new ClientV1(INFO, CAPABILITIES);
    client.setRequestHandler(ElicitRequestSchema, show(forms));
    await client.connect(transport);
    return client;
  },
  "2.4": async (transport: ResumableTransport, forms: Forms) => {
    const client = new ClientV2(INFO, CAPABILITIES);
    client.setRequestHandler("elicitation/create", show(forms));
    await client.connect(transport);
    return client;
  },
};

async function startLife(name: keyof typeof CLIENTS, url: string, store: StateStore) {
  const transport = new ResumableTransport(url, { store });
  onTestFinished(() => transport.close());
  const forms: Forms = { shown: [], fillIn: [] };
  const client = await CLIENTS[name](transport, forms);
  const errors: Error[] = [];
  client.onerror = (error: Error) => errors.push(error);
  return { client, transport, forms, errors };
}

describe.each(["1.32", "2.4"] as const)("a stock server of SDK %s that asks", (sdk) => {
  test.each(["1.32", "2.4"] as const)(
    "the user of a client of SDK %s, who reloads with the form open, asks once more and gets one answer",
    async (name) => {
      const server = await startAskingServer(sdk);
      const store = memoryStore();
      const first = await startLife(name, server.url, store);
      first.client.callTool({ name: "ask", arguments: {} }).catch(() => undefined);
      await eventually(() => expect(first.forms.shown).toEqual([QUESTION]));
      await first.client.close();

      const second = await startLife(name, server.url, store);
      const { result } = second.transport.interrupted()[0]!;
      await eventually(() => expect(second.forms.shown).toEqual([QUESTION]));
      second.forms.fillIn[0]!("seven");
      expect(textOf(await result)).toBe("It is seven");
      expect(second.forms.shown).toHaveLength(1);
      // The result may overtake the 202 for the answer on another connection; a round trip later that is in, too.
      await second.client.ping();
      await second.client.close();

      const third = await startLife(name, server.url, store);
      await third.client.ping();
      expect(third.forms.shown).toEqual([]);
      expect(server.counts.answered).toBe(1);
      expect([...second.errors, ...third.errors]).toEqual([]);
    },
  );
});
