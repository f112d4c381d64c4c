// Notes whether the authorization server could be reached, so that a network failure does not send the user to log in.

/** How long the authorization server may take for each answer. */
const ANSWER_TIMEOUT_MS = 30_000;

/**
 * A `fetch` that notes whether the authorization server's token endpoint was reached. Only POSTs count: discovery looks
 * for documents that many servers do not have, or do not show to other origins.
 */
export class TokenEndpointWatch {
  readonly #fetch: typeof fetch;
  failure: { readonly cause: unknown } | undefined;

  constructor(fetchFn: typeof fetch) {
    this.#fetch = fetchFn;
  }

  readonly fetch = async (url: string | URL, init?: RequestInit): Promise<Response> => {
    // The renewal is shared: it cannot end with one of the calls that wait for it.
    const bounded = { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), ...init };
    // Called as a method of another object, a browser's own fetch throws "Illegal invocation".
    const send = this.#fetch;
    if (init?.method !== "POST") return send(url, bounded);
    this.failure = undefined;
    try {
      const response = await send(url, bounded);
      if (response.status >= 500 || response.status === 429)
        this.failure = { cause: new Error(`The authorization server answered ${response.status}`) };
      return response;
    } catch (cause) {
      this.failure = { cause };
      throw cause;
    }
  };
}

/**
 * The provider, for one renewal. The SDKs take a refresh that the network broke for one that was refused, and would
 * send the user to log in.
 */
export function guarded<Provider extends object>(provider: Provider, watch: TokenEndpointWatch): Provider {
  return new Proxy(provider, {
    get(target, name) {
      // Getters and methods of a class with private fields need the object itself.
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...given: unknown[]): unknown => {
        if (name === "redirectToAuthorization" && watch.failure !== undefined) throw watch.failure.cause;
        return Reflect.apply(value, target, given);
      };
    },
  });
}
