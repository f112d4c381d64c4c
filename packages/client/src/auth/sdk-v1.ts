// Makes an `authProvider` from the OAuth of SDK 1.x.
import {
  auth,
  extractWWWAuthenticateParams,
  type OAuthClientProvider,
  UnauthorizedError,
} from "@modelcontextprotocol/sdk/client/auth.js";
import { adaptOAuth, type OAuthAdapter, type OAuthOptions } from "./oauth.js";

export type { OAuthAdapter, OAuthOptions } from "./oauth.js";

/**
 * Logs in by the OAuth of SDK 1.x: discovery, registration, PKCE, refresh.
 *
 * However many streams and tabs are refused at once, there is one refresh. When the user must log in, the calls fail
 * with `unauthorized`, with the SDK's `UnauthorizedError` as the cause; see {@link OAuthAdapter.finishAuth}. Within 10 s
 * nobody is asked to log in twice. A refresh that the network broke is tried again, instead of sending the user to log
 * in.
 *
 * @throws {ResumeError} `invalid-option`
 */
export function fromOAuth(provider: OAuthClientProvider, options: OAuthOptions): OAuthAdapter {
  return adaptOAuth(
    provider,
    {
      auth,
      stepUp: auth,
      challengeOf: extractWWWAuthenticateParams,
      unite: (earlier, challenged) => challenged ?? earlier,
      UnauthorizedError,
    },
    options,
  );
}
