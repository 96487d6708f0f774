/**
 * What the app-server says of itself in the handshake.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * What the server does not say is empty.
 *
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
 * The versions of codex that the tests of this library pass on, from the oldest to the newest, without the last number
 * (`docs/compatibility.md` says what differs among them).
 *
 * @category models
 * @since 0.1.0
 */
export const testedRange = { oldest: "0.162", newest: "0.171" } as const

/**
 * How the server's version stands to the {@link testedRange}. Only the first two numbers count: codex adds to its protocol
 * with its minor versions. `unknown` is a server that names no version.
 *
 * @category combinators
 * @since 0.1.0
 */
export const compareToTested = (info: ServerInfo): "older" | "tested" | "newer" | "unknown" => {
  const server = /^(\d+)\.(\d+)/.exec(info.version)
  if (server === null) return "unknown"
  const difference = (version: string): number => {
    const [major, minor] = version.split(".").map(Number)
    return (Number(server[1]) - major!) || (Number(server[2]) - minor!)
  }
  if (difference(testedRange.oldest) < 0) return "older"
  return difference(testedRange.newest) > 0 ? "newer" : "tested"
}

/**
 * The versions of codex that were warned of because they are outside of the {@link testedRange}, so that a program is warned
 * once of each. Default: one set for all clients of the program. A set that has every version keeps the warning away.
 *
 * **Example** (A client without the warning)
 *
 * ```ts
 * import { ServerInfo } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Layer } from "effect"
 *
 * const Unwarned = Layer.succeed(ServerInfo.WarnedOf, { has: () => true, add: () => {} })
 *
 * export const CodexLive = CodexNode.layer().pipe(Layer.provide(Unwarned))
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const WarnedOf: Context.Reference<VersionSet> = Context.Reference<VersionSet>(
  "@effect-codex/client/ServerInfo/WarnedOf",
  { defaultValue: () => new Set() }
)

/**
 * A set of versions.
 *
 * @category models
 * @since 0.1.0
 */
export interface VersionSet {
  readonly has: (version: string) => boolean
  readonly add: (version: string) => unknown
}
