// Shows the state of the connection, the call and its messages on the page.
import type { PageElements } from "./elements.js";
import { MessageGrid } from "./message-grid.js";
import type { Moment, RunRecord } from "./run-record.js";

/** What the page knows of the connection. */
export type ConnectionState = "connecting" | "live" | "waiting" | "offline" | "closed";

/** After one of these the next message comes over another connection than the one before. */
const BREAKS: readonly Moment["kind"][] = ["resumed", "reload"];

/** As wide as a digit. */
const FIGURE_SPACE = "\u2007";

/** A screen reader hears of the progress so many times in a run. */
const SPOKEN_STEPS = 4;

/** Draws; it decides nothing. Everything it shows comes from the record or from a call of one of its methods. */
export class View {
  readonly #elements: PageElements;
  readonly #grid: MessageGrid;
  #spokenStep = 0;

  constructor(elements: PageElements) {
    this.#elements = elements;
    this.#grid = new MessageGrid(elements.messages);
  }

  /** Draws a run anew from its record: at its start, and after a reload. */
  drawRun(record: RunRecord, plannedMessages: number): void {
    const total = record.run?.messages ?? plannedMessages;
    this.#spokenStep = 0;
    this.#grid.layOut(total, record.run?.isAdopted === true);
    this.#elements.moments.replaceChildren();
    const breaks = new Set<number>();
    for (const moment of record.run?.moments ?? []) {
      this.#addMoment(moment);
      if (BREAKS.includes(moment.kind)) breaks.add(moment.arrived);
    }
    for (const [index, number] of record.arrivals.entries()) this.#grid.arrive(number, breaks.has(index));
    this.drawProgress(record, plannedMessages);
    this.drawCursor(record);
    this.drawOutcome(record);
  }

  drawArrival(record: RunRecord, number: number): void {
    const moments = record.run?.moments ?? [];
    const before = record.arrivals.length - 1;
    this.#grid.arrive(
      number,
      moments.some(({ kind, arrived }) => arrived === before && BREAKS.includes(kind)),
    );
    this.drawProgress(record, 0);
    const step = Math.floor((this.#grid.received / (record.run?.messages ?? 1)) * SPOKEN_STEPS);
    if (step > this.#spokenStep) {
      this.#spokenStep = step;
      this.announce(`${this.#elements.messages.getAttribute("aria-label") ?? ""}.`);
    }
  }

  drawProgress(record: RunRecord, plannedMessages: number): void {
    const { progress, progressText, received, missing, outOfOrder, repeated } = this.#elements;
    const total = record.run?.messages ?? plannedMessages;
    progress.max = total;
    progress.value = this.#grid.received;
    // Padded, so that the words stay where they are while the number grows.
    const count = String(this.#grid.received).padStart(String(total).length, FIGURE_SPACE);
    progressText.textContent = `${count} of ${total}`;
    received.textContent = String(this.#grid.received);
    missing.textContent = String(this.#grid.missing);
    missing.dataset.alarm = String(this.#grid.missing > 0);
    outOfOrder.textContent = String(this.#grid.outOfOrder);
    outOfOrder.dataset.alarm = String(this.#grid.outOfOrder > 0);
    repeated.textContent = String(this.#grid.repeated);
  }

  drawCursor({ run }: RunRecord): void {
    const { cursorReceived, cursorSaved } = this.#elements;
    for (const [place, eventId] of [
      [cursorReceived, run?.cursor.received],
      [cursorSaved, run?.cursor.saved],
    ] as const) {
      place.textContent = eventId ?? "none";
      place.title = eventId ?? "";
    }
  }

  drawOutcome({ run }: RunRecord): void {
    const { outcome, outcomeText } = this.#elements;
    outcome.dataset.kind = run?.outcome?.kind ?? "none";
    outcomeText.textContent = run?.outcome?.text ?? "The result will be shown here.";
  }

  /** Shows a trouble that belongs to no run. */
  drawTrouble(text: string): void {
    this.#elements.outcome.dataset.kind = "error";
    this.#elements.outcomeText.textContent = text;
  }

  drawMoment(record: RunRecord): void {
    const moment = record.run?.moments.at(-1);
    if (moment !== undefined) this.#addMoment(moment);
  }

  drawSession(sessionId: string | undefined): void {
    const { session } = this.#elements;
    session.textContent = sessionId?.slice(0, 8) ?? "none";
    session.title = sessionId ?? "";
  }

  /** @param remainingMs time to the next attempt, while waiting for one. */
  drawStatus(state: ConnectionState, attempt: number | undefined, remainingMs: number | undefined): void {
    const { status, statusText } = this.#elements;
    status.dataset.state = state;
    statusText.textContent = statusWords(state, attempt, remainingMs);
  }

  /** @param remainingMs how long the server will still refuse connections; `undefined` when it does not. */
  drawOffline(remainingMs: number | undefined): void {
    const { offline } = this.#elements;
    offline.ariaPressed = String(remainingMs !== undefined);
    offline.textContent =
      remainingMs === undefined ? "Go offline" : `Go online (${Math.ceil(remainingMs / 1000)} s)`;
  }

  drawButtons(connected: boolean, running: boolean): void {
    const { start, stop, callText } = this.#elements;
    start.disabled = !connected || running;
    stop.disabled = !running;
    callText.textContent = running ? "The server is counting." : "Nothing is running.";
  }

  announce(text: string): void {
    this.#elements.announcement.textContent = text;
  }

  #addMoment({ kind, text, time, arrived }: Moment): void {
    const { moments, reconnects, gaps, reloads } = this.#elements;
    const item = document.createElement("li");
    const clock = document.createElement("time");
    clock.dateTime = new Date(time).toISOString();
    // The same width in every language: it is a log, read in columns.
    clock.textContent = new Date(time).toLocaleTimeString("en-GB");
    const words = document.createElement("span");
    words.textContent =
      kind === "started" || kind === "adopted" ? text : `${text} (after ${arrived} messages)`;
    item.append(clock, words);
    moments.append(item);
    moments.scrollTop = moments.scrollHeight;
    for (const [counter, counted] of [
      [reconnects, "resumed"],
      [gaps, "gap"],
      [reloads, "reload"],
    ] as const) {
      if (kind === "started") counter.textContent = "0";
      else if (kind === counted) counter.textContent = String(Number(counter.textContent) + 1);
    }
  }
}

function statusWords(
  state: ConnectionState,
  attempt: number | undefined,
  remainingMs: number | undefined,
): string {
  switch (state) {
    case "connecting":
      return "Connecting…";
    case "live":
      return "Connected";
    case "waiting": {
      const when =
        remainingMs === undefined ? "soon" : `in ${(Math.max(0, remainingMs) / 1000).toFixed(1)} s`;
      return attempt === undefined ? `Reconnecting ${when}` : `Reconnecting ${when} (attempt ${attempt})`;
    }
    case "offline":
      return "This device is offline";
    case "closed":
      return "Closed";
  }
}
