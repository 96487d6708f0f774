/** Converts the SDK's options to those of the app-server. Does not import Effect, for `early.ts`. */
import { flatten } from "./overrides.ts"
import type { CodexOptions } from "./types.ts"

const originator = "CODEX_INTERNAL_ORIGINATOR_OVERRIDE"

// An empty string counts as unset, as in the SDK: an unset secret of a CI pipeline is an empty string.
export const serverOptions = (
  { apiKey: given, baseUrl, codexPathOverride, config, configOverrides, env }: CodexOptions
) => {
  const own = env ?? process.env
  const inherited = env === undefined
    ? {}
    : Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]))
  // `codex exec` reads the variable itself: docs/codex-behaviour.md, "The app-server reads no key from its
  // environment".
  const apiKey = (given || own["CODEX_API_KEY"])?.trim() || undefined
  return {
    executable: codexPathOverride || undefined,
    configOverrides: [
      ...config === undefined ? [] : flatten(config),
      ...configOverrides ?? [],
      ...baseUrl ? [`openai_base_url=${JSON.stringify(baseUrl)}`] : []
    ],
    env: { ...inherited, ...own, [originator]: own[originator] || "codex_sdk_ts" },
    apiKey,
    // The client's default, repeated for the early start.
    credentialsStore: apiKey === undefined ? undefined : "ephemeral"
  } as const
}
