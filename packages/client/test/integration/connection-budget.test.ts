import { EventStore } from "@resumable-mcp/server";
import { expect, onTestFinished, test } from "vitest";
import { startSdkServer } from "../../../../test-support/sdk-servers.js";
import { memoryStore, ResumableTransport } from "../../src/index.js";
import { SDK_CLIENTS } from "../sdk/sdk-clients.js";

const CALLS = 20;
const MESSAGES = 60;

test.each(["1.32", "2.4"] as const)(
  "twenty calls at once come through three connections, each message once and in order (SDK %s)",
  async (sdk) => {
    const store = new EventStore({ maxEventsPerStream: 1000 });
    const server = await startSdkServer({ sdk, eventStoreFor: (id) => store.forSession(id) });
    onTestFinished(() => server.close());
    let open = 0;
    let most = 0;
    let resumes = 0;
    const transport = new ResumableTransport(server.url, {
      store: memoryStore(),
      maxConnections: 3,
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        const isStream = response.headers.get("Content-Type") === "text/event-stream";
        if (response.body === null || !isStream || isHandshake(init?.body)) return response;
        if (init?.method === "GET") resumes += 1;
        open += 1;
        most = Math.max(most, open);
        return new Response(
          onEnd(response.body, () => (open -= 1)),
          response,
        );
      },
    });
    onTestFinished(() => transport.close());
    const client = await SDK_CLIENTS["1.32"](transport);
    const seen = await Promise.all(
      Array.from({ length: CALLS }, async (_, n) => {
        const numbers: number[] = [];
        const text = await client.count(
          { key: `call ${n}`, messages: MESSAGES, intervalMs: 50 },
          (progress) => numbers.push(progress),
        );
        return { text, numbers };
      }),
    );
    const numbers = Array.from({ length: MESSAGES }, (_, n) => n + 1);
    expect(seen).toEqual(seen.map((_, n) => ({ text: `call ${n} counted to ${MESSAGES}`, numbers })));
    expect(seen.map((_, n) => server.executions(`call ${n}`))).toEqual(seen.map(() => 1));
    expect(most).toBeLessThanOrEqual(3);
    expect(resumes).toBeGreaterThan(CALLS - 3);
  },
);

function isHandshake(body: unknown): boolean {
  return typeof body === "string" && body.includes('"initialize"');
}

/** The same body, and a call back when it ended, broke or was cancelled. */
function onEnd(body: ReadableStream<Uint8Array>, ended: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) {
          controller.enqueue(value);
          return;
        }
        ended();
        controller.close();
      } catch (error) {
        ended();
        controller.error(error);
      }
    },
    async cancel(reason) {
      ended();
      await reader.cancel(reason);
    },
  });
}
