import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { OAuthDiscoveryState } from "@modelcontextprotocol/sdk/client/auth.js";
import { InvalidGrantError, InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import type {
  AuthorizationParams,
  OAuthServerProvider,
} from "@modelcontextprotocol/sdk/server/auth/provider.js";
import { mcpAuthRouter } from "@modelcontextprotocol/sdk/server/auth/router.js";
import type { AuthInfo } from "@modelcontextprotocol/sdk/server/auth/types.js";
import type { OAuthClientInformationFull, OAuthTokens } from "@modelcontextprotocol/sdk/shared/auth.js";
import express, { type Response } from "express";
import { onTestFinished } from "vitest";
import type { McpServer } from "../sdk/mcp-server.js";

/** The authorization server of SDK 1.x, whose every token and code is used once, and what it was asked. */
export class AuthorizationServer implements OAuthServerProvider {
  /** The grants that it was asked for at the token endpoint, those refused included. */
  readonly grants: string[] = [];
  /** What happens to the next requests at the token endpoint: an HTTP status, or the socket is destroyed. */
  readonly faults: (number | "cut")[] = [];
  /** Whether refresh tokens are taken. */
  refreshes = true;
  /** Where the protected resource's metadata is. */
  metadataUrl = "";
  readonly #clients = new Map<string, OAuthClientInformationFull>();
  readonly #codes = new Map<string, AuthorizationParams>();
  readonly #refreshTokens = new Map<string, readonly string[]>();
  readonly #accessTokens = new Map<string, readonly string[]>();

  readonly clientsStore = {
    getClient: (id: string) => this.#clients.get(id),
    registerClient: (client: Omit<OAuthClientInformationFull, "client_id" | "client_id_issued_at">) => {
      const registered = { ...client, client_id: randomUUID() };
      this.#clients.set(registered.client_id, registered);
      return registered;
    },
  };

  /** The scopes of a token that is good; else `undefined`. */
  scopesOf(authorization: string | undefined): readonly string[] | undefined {
    return this.#accessTokens.get((authorization ?? "").replace("Bearer ", ""));
  }

  /** Every access token is refused from now on. */
  expire(): void {
    this.#accessTokens.clear();
  }

  /** The user agrees at once. */
  async authorize(_client: unknown, params: AuthorizationParams, response: Response): Promise<void> {
    const code = randomUUID();
    this.#codes.set(code, params);
    response.redirect(`${params.redirectUri}?code=${code}`);
  }

  async challengeForAuthorizationCode(_client: unknown, code: string): Promise<string> {
    const params = this.#codes.get(code);
    if (params === undefined) throw new InvalidGrantError("Unknown code");
    return params.codeChallenge;
  }

  async exchangeAuthorizationCode(_client: unknown, code: string): Promise<OAuthTokens> {
    const params = this.#codes.get(code);
    this.#codes.delete(code);
    return this.#issue(params?.scopes ?? []);
  }

  async exchangeRefreshToken(_client: unknown, refreshToken: string): Promise<OAuthTokens> {
    const scopes = this.#refreshTokens.get(refreshToken);
    this.#refreshTokens.delete(refreshToken);
    if (!this.refreshes || scopes === undefined) throw new InvalidGrantError("Unknown refresh token");
    return this.#issue(scopes);
  }

  async verifyAccessToken(token: string): Promise<AuthInfo> {
    const scopes = this.#accessTokens.get(token);
    if (scopes === undefined) throw new InvalidTokenError("Unknown token");
    return { token, clientId: "", scopes: [...scopes] };
  }

  #issue(scopes: readonly string[]): OAuthTokens {
    const tokens = { access_token: randomUUID(), refresh_token: randomUUID() };
    this.#accessTokens.set(tokens.access_token, scopes);
    this.#refreshTokens.set(tokens.refresh_token, scopes);
    return { ...tokens, token_type: "Bearer", scope: scopes.join(" ") };
  }
}

/** Starts an authorization server for the running test, for a protected resource. */
export async function startAuthorizationServer(resource: McpServer): Promise<AuthorizationServer> {
  const authorization = new AuthorizationServer();
  const app = express();
  app.use("/token", express.urlencoded(), (request, response, next) => {
    // The form's fields are strings.
    authorization.grants.push((request.body as Record<string, string>).grant_type ?? "none");
    const fault = authorization.faults.shift();
    if (fault === undefined) next();
    else if (fault === "cut") request.socket.destroy();
    else response.sendStatus(fault);
  });
  const http = app.listen(0, "127.0.0.1");
  await once(http, "listening");
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  // A listening TCP server's address is an object.
  const { port } = http.address() as AddressInfo;
  const unlimited = { rateLimit: false } as const;
  app.use(
    mcpAuthRouter({
      provider: authorization,
      issuerUrl: new URL(`http://127.0.0.1:${port}/`),
      resourceServerUrl: new URL(resource.url),
      authorizationOptions: unlimited,
      tokenOptions: unlimited,
      clientRegistrationOptions: unlimited,
    }),
  );
  authorization.metadataUrl = `http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp`;
  return authorization;
}

/** Lets requests through that have a good token, of the scope that the server asks for. */
export function guard(server: McpServer, authorization: AuthorizationServer): { scope: string | undefined } {
  const needs: { scope: string | undefined } = { scope: undefined };
  server.refuse = ({ headers }) => {
    const scopes = authorization.scopesOf(headers.authorization);
    const hint = `resource_metadata="${authorization.metadataUrl}"`;
    if (scopes === undefined)
      return (response) => response.writeHead(401, { "WWW-Authenticate": `Bearer ${hint}` }).end();
    const { scope } = needs;
    if (scope === undefined || scopes.includes(scope)) return undefined;
    const challenge = `Bearer error="insufficient_scope", scope="${scope}", ${hint}`;
    return (response) => response.writeHead(403, { "WWW-Authenticate": challenge }).end();
  };
  return needs;
}

/** The app's side of the SDKs' OAuth. Private fields, because those do not survive a careless wrapper. */
export class AppCredentials {
  readonly redirects: URL[] = [];
  readonly redirectUrl = "http://127.0.0.1/callback";
  #tokens: OAuthTokens | undefined;
  #client: OAuthClientInformationFull | undefined;
  #verifier = "";
  #discovery: OAuthDiscoveryState | undefined;

  get clientMetadata() {
    return { redirect_uris: [this.redirectUrl], client_name: "app", scope: "basic" };
  }

  clientInformation(): OAuthClientInformationFull | undefined {
    return this.#client;
  }

  saveClientInformation(client: object): void {
    // What the registration endpoint answered.
    this.#client = client as OAuthClientInformationFull;
  }

  tokens(): OAuthTokens | undefined {
    return this.#tokens;
  }

  saveTokens(tokens: OAuthTokens): void {
    this.#tokens = tokens;
  }

  redirectToAuthorization(url: URL): void {
    this.redirects.push(url);
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }

  saveDiscoveryState(state: OAuthDiscoveryState): void {
    this.#discovery = state;
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovery;
  }

  invalidateCredentials(scope: string): void {
    if (scope === "tokens" || scope === "all") this.#tokens = undefined;
  }

  /** What the user does in the browser: agrees, and is sent back with a code. */
  async logIn(): Promise<string> {
    const url = this.redirects.at(-1);
    if (url === undefined) throw new Error("Nobody was asked to log in");
    const { headers } = await fetch(url, { redirect: "manual" });
    const code = new URL(headers.get("Location") ?? "").searchParams.get("code");
    if (code === null) throw new Error("The user was sent back without a code");
    return code;
  }
}
