import type { Client as NewestClient, Transport as TransportOfV2 } from "@modelcontextprotocol/client";
import type { Transport as TransportOfNewestV1 } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { Transport as TransportOfOldestV1 } from "sdk-oldest-v1/shared/transport.js";
import type { Client as OldestClientV2, Transport as TransportOfOldestV2 } from "sdk-oldest-v2-client";
import { describe, expectTypeOf, test } from "vitest";
import type { ResumableTransport } from "../src/index.js";

describe("the transport is the SDK's Transport, without a cast", () => {
  test("of SDK 1.30.0, also under exactOptionalPropertyTypes", () => {
    expectTypeOf<ResumableTransport>().toExtend<TransportOfOldestV1>();
  });
  test("of SDK 1.32.2", () => {
    expectTypeOf<ResumableTransport>().toExtend<TransportOfNewestV1>();
  });
  test("of SDK 2.0.0", () => {
    expectTypeOf<ResumableTransport>().toExtend<TransportOfOldestV2>();
    expectTypeOf<ResumableTransport>().toExtend<Parameters<OldestClientV2["connect"]>[0]>();
  });
  test("of SDK 2.4.0", () => {
    expectTypeOf<ResumableTransport>().toExtend<TransportOfV2>();
    expectTypeOf<ResumableTransport>().toExtend<Parameters<NewestClient["connect"]>[0]>();
  });
});
