/** The options of the app-server behind those of the SDK. Without Effect, for `early.ts`. */
import { flatten } from "./overrides.ts"
import type { CodexOptions } from "./types.ts"

const originator = "CODEX_INTERNAL_ORIGINATOR_OVERRIDE"

// An empty string is none, as for the SDK: it is what an unset secret of a pipeline comes as.
export const serverOptions = (
  { apiKey: given, baseUrl, codexPathOverride, config, configOverrides, env }: CodexOptions
) => {
  const own = env ?? process.env
  const inherited = env === undefined
    ? {}
    : Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]))
  // The app-server does not read the variable, as `codex exec` does.
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
    // The default of the client.
    credentialsStore: apiKey === undefined ? undefined : "ephemeral"
  } as const
}
