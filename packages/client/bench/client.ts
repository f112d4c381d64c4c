// What the transport costs per message over the bare parser, and what importing it costs.
import { spawnSync } from "node:child_process";
import { memoryStore, ResumableTransport } from "@resumable-mcp/client";
import { createParser } from "eventsource-parser";
import { type Contender, mediansOf } from "../../server/bench/support/rounds.js";
import { atMost, printTable } from "../../server/bench/support/table.js";
import { heapInUse } from "../../server/test/support/heap.js";

/** Enough for the compiler to have done its part: with a tenth of them, what is measured is mostly that. */
const MESSAGES = 200_000;
const encoder = new TextEncoder();

function sse(id: number, message: object): string {
  return `id: ${id}:epoch:stream\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`;
}

/** The answer to a call: so many progress notifications to a chunk, and the result. */
function answer(call: { readonly id: unknown; readonly token: unknown }, perChunk: number): Uint8Array[] {
  const events = Array.from({ length: MESSAGES }, (_, n) =>
    sse(n + 1, {
      method: "notifications/progress",
      params: {
        progressToken: call.token,
        progress: n + 1,
        total: MESSAGES,
        message: `${n + 1} of ${MESSAGES}`,
      },
    }),
  );
  events.push(sse(MESSAGES + 1, { id: call.id, result: { content: [] } }));
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < events.length; at += perChunk)
    chunks.push(encoder.encode(events.slice(at, at + perChunk).join("")));
  return chunks;
}

function body(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks[next];
      next += 1;
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
}

/** Reads the events, parses the JSON, and hands each message to a handler: what any client has to do. */
function bareParser(perChunk: number): Contender {
  const chunks = answer({ id: 1, token: 1 }, perChunk);
  return {
    name: "bare",
    async run() {
      let handled = 0;
      const onmessage = (message: unknown): void => void (handled += message === undefined ? 0 : 1);
      await heapInUse();
      const startedAt = performance.now();
      const parser = createParser({ onEvent: ({ data }) => onmessage(JSON.parse(data)) });
      const decoder = new TextDecoder();
      const reader = body(chunks).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        parser.feed(decoder.decode(value, { stream: true }));
      }
      return check(handled, startedAt);
    },
  };
}

function transport(perChunk: number): Contender {
  return {
    name: "ours",
    async run() {
      let chunks: Uint8Array[] = [];
      let startedAt = 0;
      const client = new ResumableTransport("https://mcp.example/mcp", {
        store: memoryStore(),
        fetch: async (_url, init) => {
          const text = typeof init?.body === "string" ? init.body : "{}";
          const { id, method, params } = JSON.parse(text) as {
            readonly id?: unknown;
            readonly method?: string;
            readonly params?: { readonly _meta?: { readonly progressToken?: unknown } };
          };
          if (method === "initialize") {
            const result = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: {} };
            return Response.json({ jsonrpc: "2.0", id, result });
          }
          if (method !== "tools/call")
            return new Response(null, { status: init?.method === "GET" ? 405 : 202 });
          chunks = answer({ id, token: params?._meta?.progressToken }, perChunk);
          const response = new Response(body(chunks), { headers: { "Content-Type": "text/event-stream" } });
          // Collects: what was made to be read is no garbage of the reader's.
          await heapInUse();
          startedAt = performance.now();
          return response;
        },
      });
      let handled = 0;
      await client.start();
      await client.send({ jsonrpc: "2.0", id: 0, method: "initialize", params: {} });
      await client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
      client.onmessage = () => void (handled += 1);
      const params = { name: "count", _meta: { progressToken: 1 } };
      await client.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
      const took = check(handled, startedAt);
      await client.close();
      return took;
    },
  };
}

/** @returns the milliseconds since the start; throws when messages are missing: they were not measured. */
function check(handled: number, startedAt: number): number {
  if (handled !== MESSAGES + 1) throw new Error(`${handled} of ${MESSAGES + 1} messages were handled`);
  return performance.now() - startedAt;
}

/** How long a process takes to import a module, in milliseconds. */
function importing(name: string): Contender {
  const code = `const t = performance.now(); await import(${JSON.stringify(name)}); console.log(performance.now() - t);`;
  return {
    name,
    run() {
      const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
        encoding: "utf8",
      });
      return Promise.resolve(Number(stdout));
    },
  };
}

const ratioOf = async (ours: Contender, bare: Contender): Promise<number> => {
  // Once for the compiler.
  await ours.run();
  await bare.run();
  const medians = await mediansOf([ours, bare], { rounds: 9 });
  return (medians.get(ours.name) ?? Number.NaN) / (medians.get(bare.name) ?? Number.NaN);
};

const rows: string[][] = [];
for (const perChunk of [1, 10, 100])
  rows.push([String(perChunk), atMost(await ratioOf(transport(perChunk), bareParser(perChunk)), 2)]);
printTable(
  `${MESSAGES} messages of a call, time over bare eventsource-parser with JSON.parse`,
  ["events to a chunk", "the transport"],
  rows,
);

const importTime = await ratioOf(importing("@resumable-mcp/client"), importing("eventsource-parser"));
printTable(
  "Import in a new process, time over that of eventsource-parser",
  ["module", "ratio"],
  [["@resumable-mcp/client", atMost(importTime, 2)]],
);
