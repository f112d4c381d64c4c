import { within } from "../wait/within.js";

/** Where credentials come from. */
export interface AuthProvider {
  /**
   * The bearer token for the next HTTP request; `undefined` for none. When it rejects, or takes longer than
   * `answerTimeoutMs`, nothing was sent: it is tried again as if the network had failed. A token that no header can
   * carry counts as refused.
   */
  token(): string | undefined | Promise<string | undefined>;
  /**
   * Called when an HTTP request was answered 401 or 403, at most once for each of them. When it resolves, the request
   * is made once more with a new `token()`; when it rejects, takes longer than `maxElapsedMs`, or the answer is the
   * same, the call fails with `unauthorized`.
   *
   * @param token - the one that was refused: several requests may be refused for one token at once
   */
  onUnauthorized?(response: Response, token: string | undefined): void | Promise<void>;
}

/** RFC 6750, section 2.1, allows less. A line end around it, as from a file, is not sent. */
const SENDABLE = /^\s*[\x21-\x7e]+\s*$/;

/** What an HTTP request came to. */
export interface Answer {
  readonly response: Response;
  /** Why there are no other credentials than those that were refused. */
  readonly cause?: unknown;
}

interface Credentials {
  readonly authProvider: AuthProvider | undefined;
  /** How long a token may take, in milliseconds. */
  readonly answerTimeoutMs: number;
  /** How long other credentials may take, in milliseconds. */
  readonly loginTimeoutMs: number;
}

/**
 * Makes a request, and again with other credentials when it was refused.
 *
 * @throws what `send` does, and when there is no token
 */
export async function withCredentials(
  { answerTimeoutMs, authProvider, loginTimeoutMs }: Credentials,
  signal: AbortSignal,
  send: (token: string | undefined) => Promise<Response>,
): Promise<Answer> {
  if (authProvider === undefined) return { response: await send(undefined) };
  const attempt = async (): Promise<Answer & { readonly token: string | undefined }> => {
    const asked = Promise.resolve().then(() => authProvider.token());
    const token = await within(asked, answerTimeoutMs, signal);
    if (token === undefined || SENDABLE.test(token)) return { response: await send(token), token };
    // `fetch` would say so too, with the token in its message.
    const cause = new Error("token() returned something else than visible ASCII; nothing was sent");
    return { response: new Response(null, { status: 401 }), token, cause };
  };
  let answer = await attempt();
  // A token that was renewed may still lack a scope.
  for (const status of [401, 403]) {
    const { response, token } = answer;
    if (response.status !== status || authProvider.onUnauthorized === undefined) continue;
    response.body?.cancel().catch(() => undefined);
    try {
      const login = Promise.resolve(authProvider.onUnauthorized(response, token));
      await within(login, loginTimeoutMs, signal);
    } catch (cause) {
      return { response, cause };
    }
    answer = await attempt();
  }
  return answer;
}
