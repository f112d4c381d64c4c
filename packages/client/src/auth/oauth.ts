// Renews tokens by the OAuth of either SDK: once, however many streams and tabs are refused at the same time.
import { ResumeError } from "../errors.js";
import { isRecord } from "../json-rpc.js";
import type { AuthProvider } from "../options.js";
import { lock } from "../wait/web-lock.js";
import { guarded, TokenEndpointWatch } from "./token-endpoint.js";

/** What the adapters need of an SDK's `OAuthClientProvider`. */
export interface OAuthProvider {
  tokens(): Tokens | undefined | Promise<Tokens | undefined>;
  redirectToAuthorization(authorizationUrl: URL): void | Promise<void>;
}

interface Tokens {
  readonly access_token: string;
  readonly scope?: string | undefined;
}

/** What the server says in `WWW-Authenticate`. */
export interface Challenge {
  readonly resourceMetadataUrl?: URL;
  readonly scope?: string;
  readonly error?: string;
}

export interface AuthRequest {
  readonly serverUrl: string;
  readonly fetchFn: (url: string | URL, init?: RequestInit) => Promise<Response>;
  readonly resourceMetadataUrl?: URL;
  readonly scope?: string;
  readonly authorizationCode?: string;
  readonly iss?: string;
}

/** An SDK's own OAuth. */
export interface OAuthSdk<Provider> {
  /** Discovers, registers, refreshes, exchanges or redirects: whatever is due. */
  readonly auth: (provider: Provider, request: AuthRequest) => Promise<"AUTHORIZED" | "REDIRECT">;
  /** The same, after a 403: the token lacks a scope. */
  readonly stepUp: (
    provider: Provider,
    request: AuthRequest,
    grantedScope: string | undefined,
  ) => Promise<"AUTHORIZED" | "REDIRECT">;
  readonly challengeOf: (response: Response) => Challenge;
  /** The scope to ask for, of what was asked for before and what the server asks for now. */
  readonly unite: (earlier: string | undefined, challenged: string | undefined) => string | undefined;
  readonly UnauthorizedError: new (message?: string) => Error;
}

export interface OAuthOptions {
  /** The MCP endpoint: the same URL that the transport gets. */
  readonly serverUrl: string | URL;
  /** For requests to the authorization server. @defaultValue `globalThis.fetch` */
  readonly fetch?: typeof fetch;
}

/** An {@link AuthProvider} that logs in by an SDK's own OAuth. Give one to as many transports as you like. */
export interface OAuthAdapter extends AuthProvider {
  token(): Promise<string | undefined>;
  onUnauthorized(response: Response, token: string | undefined): Promise<void>;
  /**
   * Ends a login that the user was redirected for. After it, requests have a token again, and the calls that the
   * login interrupted are in `transport.interrupted()`.
   *
   * @param authorizationCode - the `code` of the callback's URL
   * @param iss - its `iss`, if there is one (RFC 9207); SDK 2.x checks it
   * @throws what the SDK throws when the code is refused
   */
  finishAuth(authorizationCode: string, iss?: string): Promise<void>;
}

/** A refusal, or a redirect, holds for all requests so long: many streams of a page must not open many logins. */
const REFUSED_HOLDS_MS = 10_000;

/** How long a tab waits for another one that renews the token. */
const LOCK_TIMEOUT_MS = 30_000;

/** How long an authorization server that is out of reach is left alone. */
const UNREACHED_HOLDS_MS = 1000;

/** What the last renewal came to, if it failed. */
type Failure =
  /** The user must log in, or the authorization server refuses. */
  | { readonly kind: "refused"; readonly error: unknown }
  /** The authorization server was not reached: the network's doing, not the user's. */
  | {
      readonly kind: "unreached";
      /** The one that was to be replaced. */
      readonly token: string | undefined;
      readonly error: unknown;
      readonly renew: () => Promise<void>;
    };

/** Wraps an SDK's OAuth. @throws {ResumeError} `invalid-option` */
export function adaptOAuth<Provider extends OAuthProvider>(
  provider: Provider,
  sdk: OAuthSdk<Provider>,
  options: OAuthOptions,
): OAuthAdapter {
  if (!isRecord(provider) || !("tokens" in provider) || !("redirectToAuthorization" in provider))
    throw new ResumeError("invalid-option", "the provider must be the SDK's OAuthClientProvider");
  if (!isRecord(options) || !URL.canParse(options.serverUrl))
    throw new ResumeError("invalid-option", "Option serverUrl must be an absolute URL");
  return new Adapter(provider, sdk, options);
}

class Adapter<Provider extends OAuthProvider> implements OAuthAdapter {
  readonly #provider: Provider;
  readonly #sdk: OAuthSdk<Provider>;
  readonly #serverUrl: string;
  readonly #fetch: typeof fetch;
  #running: Promise<void> | undefined;
  #failure: Failure | undefined;
  /** How long the failure holds, on the clock of `performance.now()`. */
  #holdsUntil = 0;
  /** The token that came of asking for more, and what was asked for: asking again would bring the same. */
  #steppedUp: { readonly challenge: string | null; readonly token: string | undefined } | undefined;
  /** The server's last words on how to log in, which `finishAuth` needs too. */
  #hints: Omit<Challenge, "error"> = {};

  constructor(provider: Provider, sdk: OAuthSdk<Provider>, { serverUrl, fetch }: OAuthOptions) {
    this.#provider = provider;
    this.#sdk = sdk;
    this.#serverUrl = new URL(serverUrl).href;
    this.#fetch = fetch ?? globalThis.fetch;
  }

  async token(): Promise<string | undefined> {
    // What goes out while the token is renewed would only be refused.
    await this.#running?.catch(() => undefined);
    const token = await this.#held();
    const failure = this.#failure;
    if (failure?.kind !== "unreached" || failure.token !== token) return token;
    // The transport takes that for a network that fails, and tries again.
    if (this.#holds()) throw failure.error;
    // A refusal shows when the token goes out once more.
    await this.#once(token, failure.renew).catch(() => undefined);
    return this.token();
  }

  async onUnauthorized(response: Response, token: string | undefined): Promise<void> {
    const challenge = this.#sdk.challengeOf(response);
    const header = response.headers.get("WWW-Authenticate");
    const isStepUp = response.status === 403;
    if (isStepUp && challenge.error !== "insufficient_scope")
      throw new Error("The server refused the request (403), for another reason than a missing scope");
    await this.#running?.catch(() => undefined);
    const held = await this.#held();
    // Another stream, or another tab, has renewed it meanwhile. (An SDK drops tokens that were refused.)
    if (held !== undefined && held !== token) return;
    const failure = this.#failure;
    if (failure?.kind === "refused" && this.#holds()) throw failure.error;
    // `token()` goes on with that.
    if (failure?.kind === "unreached" && failure.token === token) return;
    if (isStepUp && this.#steppedUp?.token === token && this.#steppedUp?.challenge === header)
      throw new Error("The server still asks for a scope that the authorization server did not grant");
    const renew = async (): Promise<void> => {
      await this.#renew(challenge, token, isStepUp, renew);
      if (isStepUp) this.#steppedUp = { challenge: header, token: await this.#held() };
    };
    await this.#once(token, renew);
  }

  async finishAuth(authorizationCode: string, iss?: string): Promise<void> {
    const { auth, UnauthorizedError } = this.#sdk;
    const request = { ...this.#request(new TokenEndpointWatch(this.#fetch)), authorizationCode };
    const result = await auth(this.#provider, { ...request, ...(iss === undefined ? {} : { iss }) });
    if (result !== "AUTHORIZED") throw new UnauthorizedError("Failed to authorize");
    this.#failure = undefined;
  }

  async #held(): Promise<string | undefined> {
    return (await this.#provider.tokens())?.access_token;
  }

  #holds(): boolean {
    return performance.now() < this.#holdsUntil;
  }

  /** Several streams come here in one tick, and several tabs: a refresh token is good for one refresh. */
  #once(token: string | undefined, renew: () => Promise<void>): Promise<void> {
    this.#running ??= this.#alone(token, renew).finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #alone(token: string | undefined, renew: () => Promise<void>): Promise<void> {
    const locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
    if (locks === undefined) return renew();
    // After that it does without: a tab may wait for its user.
    const signal = AbortSignal.timeout(LOCK_TIMEOUT_MS);
    const name = `resumable-mcp:auth:${this.#serverUrl}`;
    const unlock = await lock(locks, name, { signal }).catch(() => undefined);
    try {
      const held = await this.#held();
      if (held === undefined || held === token) await renew();
    } finally {
      await unlock?.();
    }
  }

  async #renew(
    { resourceMetadataUrl, scope }: Challenge,
    token: string | undefined,
    isStepUp: boolean,
    renew: () => Promise<void>,
  ): Promise<void> {
    const { auth, stepUp, unite, UnauthorizedError } = this.#sdk;
    const united = unite(this.#hints.scope, scope);
    this.#hints = {
      ...this.#hints,
      ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl }),
      ...(united === undefined ? {} : { scope: united }),
    };
    const watch = new TokenEndpointWatch(this.#fetch);
    const provider = guarded(this.#provider, watch);
    const request = this.#request(watch);
    this.#failure = undefined;
    try {
      const result = await (isStepUp
        ? stepUp(provider, request, (await this.#provider.tokens())?.scope)
        : auth(provider, request));
      if (result !== "AUTHORIZED")
        throw new UnauthorizedError("The user must log in; end the login with finishAuth()");
    } catch (error) {
      const { failure } = watch;
      this.#holdsUntil = performance.now() + (failure === undefined ? REFUSED_HOLDS_MS : UNREACHED_HOLDS_MS);
      this.#failure =
        failure === undefined
          ? { kind: "refused", error }
          : { kind: "unreached", token, error: failure.cause, renew };
      if (failure === undefined) throw error;
    }
  }

  #request({ fetch }: TokenEndpointWatch): AuthRequest {
    return { serverUrl: this.#serverUrl, fetchFn: fetch, ...this.#hints };
  }
}
