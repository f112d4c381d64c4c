// Makes an `authProvider` from the OAuth of SDK 2.x.
import {
  auth,
  computeScopeUnion,
  extractWWWAuthenticateParams,
  isStrictScopeSuperset,
  type OAuthClientProvider,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { adaptOAuth, type OAuthAdapter, type OAuthOptions } from "./oauth.js";

export type { OAuthAdapter, OAuthOptions } from "./oauth.js";

/**
 * Logs in by the OAuth of SDK 2.x: discovery, registration, PKCE, refresh, and wider scopes.
 *
 * However many streams and tabs are refused at once, there is one refresh. When the user must log in, the calls fail
 * with `unauthorized`, with the SDK's `UnauthorizedError` as the cause; see {@link OAuthAdapter.finishAuth}. Within 10 s
 * nobody is asked to log in twice. A refresh that the network broke is tried again, instead of sending the user to log
 * in. With DPoP, wrap the transport's `fetch` in the SDK's `withDpopFromProvider` as well.
 *
 * @throws {ResumeError} `invalid-option`
 */
export function fromOAuth(provider: OAuthClientProvider, options: OAuthOptions): OAuthAdapter {
  return adaptOAuth(
    provider,
    {
      auth,
      challengeOf: extractWWWAuthenticateParams,
      unite: computeScopeUnion,
      UnauthorizedError,
      stepUp(given, request, grantedScope) {
        const scope = computeScopeUnion(request.scope, grantedScope);
        // A refresh cannot widen a scope (RFC 6749, section 6).
        const forceReauthorization = isStrictScopeSuperset(scope, grantedScope);
        return auth(given, { ...request, ...(scope === undefined ? {} : { scope }), forceReauthorization });
      },
    },
    options,
  );
}
