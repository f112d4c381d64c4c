// Runs one call of an app through a long outage, and prints what happens to it.
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { memoryStore, NO_TIMEOUT, ResumableTransport } from "@resumable-mcp/client";
import { EventStore } from "@resumable-mcp/server";
import { faultProxy } from "@resumable-mcp/testing/fault-proxy";
import { startSdkServer } from "./sdk-servers.js";

const INTERVAL_MS = 5000;
/** Messages before the outage, and after it. */
const AROUND = 3;

/**
 * Makes one call over a network that is down for so many minutes in the middle of it, on the real clock, and prints
 * what happens.
 *
 * @returns whether every message came, once and in order, and the result.
 */
export async function runOutage(minutes: number): Promise<boolean> {
  const outageMs = minutes * 60_000;
  const messages = Math.ceil(outageMs / INTERVAL_MS) + 2 * AROUND;
  const store = new EventStore({ maxEventsPerStream: messages + 10 });
  const server = await startSdkServer({ sdk: "1.32", eventStoreFor: (id) => store.forSession(id) });
  const proxy = await faultProxy({ target: server.url, seed: 1 });
  const transport = new ResumableTransport(proxy.url, { store: memoryStore() });
  const startedAt = Date.now();
  const tell = (text: string): void => {
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
    console.log(`${seconds.padStart(6)} s  ${text}`);
  };
  let attempts = 0;
  transport.addEventListener("statuschange", ({ detail }) => {
    if (detail.state === "waiting") attempts = Math.max(attempts, detail.attempt);
  });
  transport.addEventListener("resumed", ({ detail }) => {
    const name = detail.stream.method ?? "the standalone stream";
    tell(`resumed ${name} after ${(detail.downMs / 1000).toFixed(1)} s and ${detail.attempts} attempts`);
  });
  const client = new Client({ name: "outage", version: "1.0.0" });
  await client.connect(transport);
  const seen: number[] = [];
  const outage = async (): Promise<void> => {
    proxy.setWeather([{ kind: "offline" }]);
    const dropped = proxy.killAll();
    tell(`the network goes down; ${dropped} connections die`);
    await delay(outageMs);
    proxy.setWeather([]);
    tell(`the network is back, after ${attempts} attempts at most on one stream`);
  };
  let outages: Promise<void> | undefined;
  tell(`the call starts: a message every ${INTERVAL_MS / 1000} s, ${messages} in all`);
  const { content } = await client.callTool(
    { name: "count", arguments: { key: "outage", messages, intervalMs: INTERVAL_MS } },
    undefined,
    {
      onprogress: ({ progress }) => {
        seen.push(progress);
        if (progress === AROUND) outages = outage();
      },
      timeout: NO_TIMEOUT,
    },
  );
  await outages;
  const isWhole = seen.length === messages && seen.every((progress, n) => progress === n + 1);
  const executions = server.executions("outage");
  tell(`the result: ${JSON.stringify(content)}`);
  tell(
    `${seen.length} of ${messages} messages, ${isWhole ? "each once and in order" : "NOT each once and in order"}; ` +
      `the tool ran ${executions} time${executions === 1 ? "" : "s"}`,
  );
  await client.close();
  await proxy.close();
  await server.close();
  return isWhole && executions === 1;
}
