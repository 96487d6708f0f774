/**
 * An MCP server on loopback HTTP for tests. It takes the tokens in `tokens` alone. Its authorization server registers
 * every client, and gives the token `oauth-token-1` for the code `right`.
 */
import { Effect } from "effect"
import { once } from "node:events"
import * as Http from "node:http"

const oauthToken = "oauth-token-1"

const results = (method: unknown, params: unknown): object | undefined => {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: (params as { readonly protocolVersion?: unknown }).protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "web", version: "1.0.0" }
      }
    case "tools/list":
      return { tools: [{ name: "look", description: "Looks.", inputSchema: { type: "object", properties: {} } }] }
    case "tools/call":
      return { content: [{ type: "text", text: "seen" }] }
    default:
      return undefined
  }
}

export const start = Effect.fnUntraced(function*(tokens: ReadonlyArray<string> = []) {
  const requests: Array<Http.IncomingHttpHeaders> = []
  const taken = new Set([...tokens, oauthToken])
  let base = ""

  const discovery = (url: string): object | undefined => {
    if (url.includes("oauth-protected-resource")) return { resource: `${base}/mcp`, authorization_servers: [base] }
    if (!url.includes("oauth-authorization-server")) return undefined
    return {
      issuer: base,
      authorization_endpoint: `${base}/authorize`,
      token_endpoint: `${base}/token`,
      registration_endpoint: `${base}/register`,
      response_types_supported: ["code"],
      grant_types_supported: ["authorization_code"],
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["none"]
    }
  }

  const answer = (request: Http.IncomingMessage, body: string, response: Http.ServerResponse): void => {
    const send = (status: number, value?: object, headers: Http.OutgoingHttpHeaders = {}) =>
      void response.writeHead(status, { "content-type": "application/json", ...headers })
        .end(value === undefined ? undefined : JSON.stringify(value))
    const url = request.url ?? ""
    const found = discovery(url)
    if (found !== undefined) return send(200, found)
    if (url === "/register") {
      const { redirect_uris } = JSON.parse(body) as { readonly redirect_uris: unknown }
      return send(201, { client_id: "codex", redirect_uris })
    }
    if (url === "/token") {
      return new URLSearchParams(body).get("code") === "right"
        ? send(200, { access_token: oauthToken, token_type: "Bearer", expires_in: 3600 })
        : send(400, { error: "invalid_grant" })
    }
    requests.push(request.headers)
    if (!taken.has(request.headers.authorization?.replace(/^Bearer /, "") ?? "")) {
      const metadata = `Bearer resource_metadata="${base}/.well-known/oauth-protected-resource"`
      return send(401, undefined, { "www-authenticate": metadata })
    }
    if (request.method !== "POST") return send(405)
    const { id, method, params } = JSON.parse(body) as { readonly [key: string]: unknown }
    if (id === undefined) return send(202)
    const result = results(method, params)
    const error = { code: -32601, message: `no ${String(method)}` }
    return send(200, { jsonrpc: "2.0", id, ...(result === undefined ? { error } : { result }) })
  }

  const server = Http.createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (text: string) => body += text).on(
      "end",
      () => answer(request, body, response)
    )
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )
  const address = server.address()
  base = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
  return { url: `${base}/mcp`, requests, oauthToken }
})

/** What a person's browser does at the end of the login: it tells codex what the authorization server answered. */
export const confirm = (authorizationUrl: string, answer: { readonly [name: string]: string }) =>
  Effect.promise(async () => {
    const { searchParams } = new URL(authorizationUrl)
    const back = new URL(searchParams.get("redirect_uri") ?? "")
    for (const [name, value] of Object.entries({ state: searchParams.get("state") ?? "", ...answer })) {
      back.searchParams.set(name, value)
    }
    return (await fetch(back)).text()
  })
