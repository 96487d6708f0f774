/**
 * What the app-server says of itself in the handshake.
 *
 * @since 0.1.0
 */
import { codexVersion } from "@effect-codex/protocol/Methods"
import type * as Received from "@effect-codex/protocol/Received"

/**
 * @category models
 * @since 0.1.0
 */
export interface ServerInfo {
  /** The version of codex, such as `0.169.0`; empty when the server's user agent has none. */
  readonly version: string
  /** The user agent as it came. It begins with the name that this client gave itself. */
  readonly userAgent: string
  /** The server's `CODEX_HOME`. */
  readonly codexHome: string
  /** `unix` or `windows`. */
  readonly platformFamily: string
  /** `linux`, `macos` or `windows`. */
  readonly platformOs: string
}

/**
 * Reads the answer to `initialize`.
 *
 * **Details**
 *
 * The user agent is `<client name>/<codex version> (<system>) …`, and the client's name may itself hold slashes and
 * spaces; so the version is what follows the name that we sent (measured on 0.169.0, which sends no `serverInfo`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromInitialize = (response: Received.InitializeResponse, clientName: string): ServerInfo => {
  const { codexHome, platformFamily, platformOs, userAgent } = response
  const rest = userAgent.startsWith(`${clientName}/`)
    ? userAgent.slice(clientName.length + 1)
    : userAgent.slice(userAgent.indexOf("/") + 1)
  return { version: /^\d[^\s]*/.exec(rest)?.[0] ?? "", userAgent, codexHome, platformFamily, platformOs }
}

/**
 * How the server's version stands to the one that the schemas were generated from. Only the first two numbers count:
 * codex adds to its protocol with its minor versions.
 *
 * @category combinators
 * @since 0.1.0
 */
export const compareToSchemas = (info: ServerInfo): "older" | "same" | "newer" | "unknown" => {
  const parse = (version: string) => /^(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number)
  const [server, schemas] = [parse(info.version), parse(codexVersion)]
  if (server === undefined || schemas === undefined) return "unknown"
  const difference = (server[0]! - schemas[0]!) || (server[1]! - schemas[1]!)
  return difference === 0 ? "same" : difference < 0 ? "older" : "newer"
}
