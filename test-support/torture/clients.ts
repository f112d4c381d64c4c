// Makes the transports that the torture run compares: ours and the SDKs' own.
import { NO_TIMEOUT, type ResumableTransport } from "@resumable-mcp/client";
import type { SdkVersion } from "../sdk-servers.js";
import { connectV1, connectV2, sdkClientV1, sdkClientV2, type WeatherClient } from "../weather/clients.js";
import type { Patience } from "./scenarios.js";

/** Our transport, and those of the SDKs as shipped or told to retry 1000 times. */
export const CLIENT_KINDS = ["ours", "sdk1", "sdk1-retry", "sdk2", "sdk2-retry"] as const;

export type ClientKind = (typeof CLIENT_KINDS)[number];

/** Makes our transport, from the sources or as built. */
export type MakeTransport = (
  url: string,
  patience: Patience | undefined,
) => Pick<ResumableTransport, keyof ResumableTransport>;

/** A client, and the SDK whose server it is run against. */
export interface Contestant {
  readonly sdk: SdkVersion;
  readonly connect: (url: string) => Promise<WeatherClient>;
}

/** The SDKs' clients never settle a call that they have lost: so long after its latest message it has failed. */
const SDK_TIMEOUT_MS = 6000;

const RETRIES = 1000;

/** Ours runs under the client of SDK 1.x with odd seeds, and of 2.x with even ones. */
export function contestant(
  kind: ClientKind,
  seed: number,
  make: MakeTransport,
  patience: Patience | undefined,
): Contestant {
  const retries = kind.endsWith("-retry") ? RETRIES : undefined;
  switch (kind) {
    case "ours":
      return seed % 2 === 1
        ? { sdk: "1.32", connect: (url) => connectV1(make(url, patience), NO_TIMEOUT) }
        : { sdk: "2.4", connect: (url) => connectV2(make(url, patience), NO_TIMEOUT) };
    case "sdk1":
    case "sdk1-retry":
      return { sdk: "1.32", connect: (url) => sdkClientV1(url, SDK_TIMEOUT_MS, retries) };
    case "sdk2":
    case "sdk2-retry":
      return { sdk: "2.4", connect: (url) => sdkClientV2(url, SDK_TIMEOUT_MS, retries) };
  }
}
