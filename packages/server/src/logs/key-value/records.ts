import type { Retention } from "../../log/event-log.js";
import type { JsonValue, KeyValueRecord } from "./async-key-value.js";

/*
 * What the key-value log stores: each event under a key of its own, and per stream one small record, its head, which
 * is written anew with every append.
 */

/**
 * A run of events written by one writer under one random prefix. A write that failed, or whose process died, may reach
 * the backend later all the same: then it lands in a segment that has been closed, behind its end, where nobody looks.
 */
export interface Segment {
  readonly id: string;
  /** The seq of its first event. It goes on until the next segment begins. */
  readonly from: number;
}

export interface HeadRecord {
  readonly epoch: string;
  /** When the stream was created: a record of an earlier stream of the same name never wins over a later one. */
  readonly bornAt: number;
  /** Grows with every write. Even and odd ones are written to two places in turn. */
  readonly version: number;
  readonly writer: string;
  readonly segments: readonly Segment[];
  /** The lowest seq whose event may still be stored. */
  readonly oldest: number;
  /** The lowest seq that retention had left when this was written. */
  readonly floor: number;
  /** Every event up to this one was stored when this was written. */
  readonly acknowledged: number;
  /** The events up to this one were written together with this record: some of them may be missing. */
  readonly intended: number;
  readonly lastAppendAt: number;
  readonly retention: Retention;
  readonly isEnded: boolean;
}

export interface StoredEvent {
  readonly at: number;
  readonly payload: string;
}

const FORMAT = 1;

export function encodeHead(head: HeadRecord): KeyValueRecord {
  const { segments, retention, ...rest } = head;
  return { format: FORMAT, ...rest, ...retention, segments: segments.map(({ id, from }) => [id, from]) };
}

/** @returns `undefined` for what no writer of this format has written whole, such as a torn file. */
export function decodeHead(record: KeyValueRecord | undefined): HeadRecord | undefined {
  if (record?.format !== FORMAT) return undefined;
  const { epoch, bornAt, version, writer, oldest, floor, acknowledged, intended, lastAppendAt, isEnded } =
    record;
  const { maxEvents, maxBytes, ttlMs, headTtlMs } = record;
  const segments = decodeSegments(record.segments);
  const isWhole =
    typeof epoch === "string" &&
    typeof writer === "string" &&
    typeof isEnded === "boolean" &&
    isNumber(bornAt) &&
    isNumber(version) &&
    isNumber(oldest) &&
    isNumber(floor) &&
    isNumber(acknowledged) &&
    isNumber(intended) &&
    isNumber(lastAppendAt) &&
    isLimit(maxEvents) &&
    isLimit(maxBytes) &&
    isLimit(ttlMs) &&
    isLimit(headTtlMs);
  if (!isWhole || segments === undefined) return undefined;
  const retention = { maxEvents, maxBytes, ttlMs, headTtlMs };
  const places = { oldest, floor, acknowledged, intended };
  return { epoch, bornAt, version, writer, segments, ...places, lastAppendAt, retention, isEnded };
}

function decodeSegments(value: JsonValue | undefined): readonly Segment[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const segments: Segment[] = [];
  for (const pair of value as readonly JsonValue[]) {
    if (!Array.isArray(pair)) return undefined;
    const [id, from] = pair as readonly JsonValue[];
    if (typeof id !== "string" || typeof from !== "number") return undefined;
    segments.push({ id, from });
  }
  return segments;
}

function isNumber(value: JsonValue | undefined): value is number {
  return typeof value === "number";
}

function isLimit(value: JsonValue | undefined): value is number | null {
  return value === null || typeof value === "number";
}

export function encodeEvent({ at, payload }: StoredEvent): KeyValueRecord {
  return { at, payload };
}

/** @returns `undefined` for an event that is not there, or not whole. */
export function decodeEvent(record: KeyValueRecord | undefined): StoredEvent | undefined {
  if (typeof record?.at !== "number" || typeof record.payload !== "string") return undefined;
  return { at: record.at, payload: record.payload };
}
