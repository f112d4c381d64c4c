// Defines what one session of a stock server is made of, whatever the SDK's version.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { EventStore } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { CountTool } from "./count-tool.js";

/** What one session of a stock SDK server is made of. */
export interface SessionOptions {
  readonly sessionId: string;
  readonly tool: CountTool;
  readonly eventStore: EventStore | undefined;
  /** Milliseconds for `retry:`; undefined for none. */
  readonly retryInterval: number | undefined;
  /** Milliseconds between two keep-alive comments; undefined for the SDK's default. */
  readonly keepAliveMs: number | undefined;
  readonly onInitialized: () => void;
  readonly onClosed: () => Promise<void>;
  readonly onError: (error: Error) => void;
}

export interface SdkSession {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): Promise<void>;
}

/** The options that the transports of both SDKs take alike. */
export function transportOptions(options: SessionOptions) {
  return {
    sessionIdGenerator: () => options.sessionId,
    onsessioninitialized: options.onInitialized,
    onsessionclosed: options.onClosed,
    ...(options.eventStore && { eventStore: options.eventStore }),
    ...(options.retryInterval !== undefined && { retryInterval: options.retryInterval }),
    ...(options.keepAliveMs !== undefined && { keepAliveMs: options.keepAliveMs }),
  };
}
