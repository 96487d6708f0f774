/**
 * Server metadata from the handshake: version, home, platform.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * What the app-server said about itself in the handshake. A field that it did not send is empty.
 *
 * @see {@link compareToTested}
 * @category models
 * @since 0.1.0
 */
export interface ServerInfo {
  /** The version of codex, such as `0.169.0`. Empty when the server's user agent has no version. */
  readonly version: string
  /** The server's user agent, unchanged. It begins with the name of this client. */
  readonly userAgent: string
  /** The server's `CODEX_HOME`. */
  readonly codexHome: string
  /** `unix` or `windows`. */
  readonly platformFamily: string
  /** `linux`, `macos` or `windows`. */
  readonly platformOs: string
}

/**
 * The range of codex versions that this library is tested with, oldest and newest, as major and minor numbers
 * (`docs/compatibility.md` lists the differences).
 *
 * @see {@link compareToTested}
 * @category models
 * @since 0.1.0
 */
export const testedRange = { oldest: "0.162", newest: "0.171" } as const

/**
 * Compares the server's version to the {@link testedRange}. Only the major and minor numbers count, because codex
 * extends its protocol with minor versions. `unknown` means that the server sent no version.
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
 * The codex versions outside of the {@link testedRange} that the program was already warned of, so that it is warned
 * once per version. Default: one set for all clients of the program. A set that contains every version silences the
 * warning.
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
 * @see {@link WarnedOf}
 * @category models
 * @since 0.1.0
 */
export interface VersionSet {
  readonly has: (version: string) => boolean
  readonly add: (version: string) => unknown
}
