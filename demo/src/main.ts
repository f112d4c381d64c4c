// Connects the page's client to the server, runs the call, and goes on with it after a reload.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { NO_TIMEOUT, ResumableTransport } from "@resumable-mcp/client";
import { indexedDBStore } from "@resumable-mcp/client/stores/indexeddb";
import { z } from "zod";

import { dropConnections, goOffline, offlineUntil } from "./control.js";
import { pageElements } from "./elements.js";
import { inPlainWords } from "./plain-words.js";
import { RunRecord, type Moment } from "./run-record.js";
import { View, type ConnectionState } from "./view.js";

/** The page shows its call. The session's standalone stream breaks and resumes too, but carries nothing here. */
const CALL_METHOD = "tools/call";
const COUNTDOWN_STEP_MS = 100;

const progressSchema = z.object({ progress: z.number() });
const argumentsSchema = z.object({ messages: z.number(), seconds: z.number() });
const resultSchema = z.object({ content: z.array(z.object({ type: z.literal("text"), text: z.string() })) });

const query = new URLSearchParams(location.search);
/** A number from the page's address; what is no number there is as if it were left out. */
const given = (name: string, otherwise: number): number => {
  const value = Number(query.get(name) ?? otherwise);
  return Number.isFinite(value) && value > 0 ? value : otherwise;
};
const messages = given("messages", 300);
const seconds = given("seconds", 60);
const offlineSeconds = given("offline", 8);
const mcpUrl = new URL(
  document.querySelector<HTMLMetaElement>('meta[name="mcp-url"]')?.content ?? "/mcp",
  location.href,
);

const elements = pageElements();
const view = new View(elements);
const record = new RunRecord(sessionStorage);
const client = new Client({ name: "resumable-mcp-demo-page", version: "0.0.0" });
const transport = new ResumableTransport(mcpUrl, { store: indexedDBStore(), partition: "demo-user" });

let connected = false;
let stopCall: (() => void) | undefined;
let status: { state: ConnectionState; attempt?: number; retryAt?: number } = { state: "connecting" };
let serverOfflineUntil: number | null = null;

function note(kind: Moment["kind"], text: string): void {
  if (record.run === undefined) return;
  record.note(kind, text);
  view.drawMoment(record);
}

/** Countdowns move by the clock, everything else when it happens. */
function drawCountdowns(): void {
  const now = Date.now();
  view.drawStatus(
    status.state,
    status.attempt,
    status.retryAt === undefined ? undefined : status.retryAt - now,
  );
  if (serverOfflineUntil !== null && serverOfflineUntil <= now) {
    serverOfflineUntil = null;
    note("online", "The server takes connections again");
  }
  view.drawOffline(serverOfflineUntil === null ? undefined : serverOfflineUntil - now);
}

function listenToTransport(): void {
  transport.addEventListener("statuschange", ({ detail }) => {
    if (detail.state !== status.state) {
      if (detail.state === "waiting") view.announce("The connection broke. Reconnecting.");
      if (detail.state === "live") view.announce("Connected.");
    }
    status = detail;
    drawCountdowns();
    view.drawSession(transport.sessionId);
  });
  transport.addEventListener("resumed", ({ detail }) => {
    if (detail.stream.method !== CALL_METHOD) return;
    const attempts = detail.attempts === 1 ? "1 attempt" : `${detail.attempts} attempts`;
    const down =
      detail.downMs < 1000 ? `${Math.ceil(detail.downMs)} ms` : `${(detail.downMs / 1000).toFixed(1)} s`;
    note("resumed", `Resumed after ${down} and ${attempts}`);
  });
  transport.addEventListener("gap", ({ detail }) => {
    if (detail.stream.method !== CALL_METHOD) return;
    note("gap", `The server no longer had ${detail.missed ?? "some"} messages`);
  });
  transport.addEventListener("sessionreplaced", () => {
    note("session", "The server had forgotten the session; a new one was opened");
    view.drawSession(transport.sessionId);
  });
  transport.addEventListener("cursor", ({ detail }) => {
    if (detail.stream.method !== CALL_METHOD) return;
    record.moveCursor(detail.persisted ? "saved" : "received", detail.eventId);
    view.drawCursor(record);
  });
}

/** The page's one handler for messages. What it is given is kept as it comes: in this order, repeats included. */
function onProgress(params: unknown): void {
  const { progress } = progressSchema.parse(params);
  record.arrive(progress);
  view.drawArrival(record, progress);
}

async function settle(result: Promise<unknown>, stop: () => void): Promise<void> {
  stopCall = stop;
  view.drawButtons(connected, true);
  try {
    const { content } = resultSchema.parse(await result);
    record.end({ kind: "result", text: content.map(({ text }) => text).join("\n") });
  } catch (error) {
    record.end({ kind: "error", text: inPlainWords(error) });
  }
  stopCall = undefined;
  view.drawMoment(record);
  view.drawOutcome(record);
  view.drawButtons(connected, false);
}

async function startCall(): Promise<void> {
  record.begin(messages, seconds);
  view.drawRun(record, messages);
  const abort = new AbortController();
  const result = client.callTool({ name: "count", arguments: { messages, seconds } }, undefined, {
    onprogress: onProgress,
    signal: abort.signal,
    timeout: NO_TIMEOUT,
  });
  await settle(result, () => abort.abort("You stopped it"));
}

/** Goes on with what the page's previous life had begun. */
async function resumeCall(): Promise<void> {
  const call = transport.interrupted().find(({ method }) => method === CALL_METHOD);
  if (call !== undefined) {
    if (record.run === undefined) {
      // Another tab began it and was closed: what this one has on record is nothing.
      const begun = argumentsSchema.parse(call.params?.arguments);
      record.adopt(begun.messages, begun.seconds);
      view.drawRun(record, messages);
    }
    call.onprogress = onProgress;
    await settle(call.result, () => call.cancel());
  } else if (record.run?.outcome === null) {
    const text =
      "This call is not in this tab. If another tab shows it, it goes on there; else press Start to call again.";
    record.end({ kind: "error", text });
    view.drawMoment(record);
    view.drawOutcome(record);
  }
}

async function attempt(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    view.drawTrouble(inPlainWords(error));
  }
}

function listenToButtons(): void {
  elements.start.addEventListener("click", () => void attempt(startCall));
  elements.stop.addEventListener("click", () => stopCall?.());
  elements.reload.addEventListener("click", () => location.reload());
  elements.drop.addEventListener("click", () => {
    void attempt(async () => {
      const dropped = await dropConnections();
      note("dropped", `The server destroyed ${dropped === 1 ? "1 socket" : `${dropped} sockets`}`);
    });
  });
  elements.offline.addEventListener("click", () => {
    void attempt(async () => {
      serverOfflineUntil = await goOffline(serverOfflineUntil === null ? offlineSeconds : 0);
      if (serverOfflineUntil === null) note("online", "The server takes connections again");
      else note("offline", `The server refuses connections for ${offlineSeconds} s`);
      drawCountdowns();
    });
  });
}

async function connect(): Promise<void> {
  serverOfflineUntil = await offlineUntil();
  await client.connect(transport);
  connected = true;
  view.drawSession(transport.sessionId);
  view.drawButtons(connected, false);
  await resumeCall();
}

if (record.run?.outcome === null) record.reload();
view.drawRun(record, messages);
view.drawButtons(connected, false);
listenToTransport();
listenToButtons();
setInterval(drawCountdowns, COUNTDOWN_STEP_MS);
void attempt(connect);
