/** Reads the options of a turn. Whatever is wrong is an `InvalidArgument` that names the option. */
import type * as Budget from "@effect-codex/client/Budget"
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as ConfigOverrides from "@effect-codex/client/ConfigOverrides"
import * as Pricing from "@effect-codex/client/Pricing"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"

const invalid = (argument: string, detail: string) => new InvalidArgument({ argument, detail })

// =============================================================================
// Numbers
// =============================================================================

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** `90s`, `1h30m`, `500ms`; a number alone is seconds. */
export const durationOf = (argument: string, text: string): Effect.Effect<Duration.Duration, InvalidArgument> => {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  const millis = /^\d+(?:\.\d+)?$/.test(text)
    ? Number(text) * 1000
    : parts.length > 0 && parts.map(([part]) => part).join("") === text
    ? parts.reduce((sum, [, n, unit]) => sum + Number(n) * units[unit as keyof typeof units], 0)
    : Number.NaN
  // Longer than a timer can wait.
  return millis > 0 && millis < 2 ** 31
    ? Effect.succeed(Duration.millis(millis))
    : Effect.fail(
      invalid(argument, `${quoted(text)} is no duration. Write one such as 90s, 10m or 1h30m, up to 24 days.`)
    )
}

/** Tokens, or dollars for `$2` and `2usd`. */
export const limitsOf = (text: string): Effect.Effect<Budget.Limits, InvalidArgument> => {
  const money = /^\$(\d+(?:\.\d+)?)$|^(\d+(?:\.\d+)?)\s?usd$/i.exec(text)
  if (money !== null) return Effect.succeed({ cost: Number(money[1] ?? money[2]) })
  const tokens = /^(\d+(?:\.\d+)?)([km]?)$/i.exec(text)
  const factor = { "": 1, k: 1000, m: 1_000_000 }[tokens?.[2]?.toLowerCase() ?? ""] ?? 1
  const count = Math.round(Number(tokens?.[1]) * factor)
  return Number.isSafeInteger(count)
    ? Effect.succeed({ tokens: count })
    : Effect.fail(
      invalid(
        "--budget",
        `${quoted(text)} is no limit. Write tokens, such as 20000 or 20k, or dollars, such as 0.50usd.`
      )
    )
}

const quoted = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)

// =============================================================================
// The configuration
// =============================================================================

/** Checks overrides before codex starts, which would ignore some of the wrong ones. */
export const overridesOf = (
  texts: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, InvalidArgument> => {
  const [problem] = ConfigOverrides.encode(texts).problems
  if (problem === undefined) return Effect.succeed(texts)
  const key = problem.path === "" ? quoted(texts[problem.index ?? 0] ?? "") : problem.path
  const advice = problem.reason === "noEquals" || problem.reason === "emptyKey"
    ? " Write it as -c key=value, such as -c model_reasoning_effort=high."
    : problem.reason === "badKey"
    ? " Put such a key into a TOML table: -c 'projects={\"/a.b\"={trust_level=\"trusted\"}}'."
    : ""
  const detail = problem.reason === "badKey"
    ? "codex splits a key at each dot and allows no quotes in it."
    : problem.reason === "notToml"
    ? "the value is not valid TOML, and codex would read it as a string. Quote it as TOML."
    : problem.detail
  return Effect.fail(invalid("--config", `${key}: ${detail}${advice}`))
}

// =============================================================================
// Files
// =============================================================================

const readJson = Effect.fnUntraced(function*(argument: string, file: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(file).pipe(
    Effect.mapError(({ reason }) =>
      invalid(argument, reason._tag === "NotFound" ? `${file} does not exist.` : `${file} cannot be read.`)
    )
  )
  return yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Json))(text).pipe(
    Effect.mapError(() => invalid(argument, `${file} is not JSON.`))
  )
})

/** The JSON Schema of `--output-schema`. */
export const outputSchemaOf = Effect.fnUntraced(function*(file: string) {
  const schema = yield* readJson("--output-schema", file)
  if (typeof schema === "object" && schema !== null && !Array.isArray(schema)) return schema
  return yield* invalid("--output-schema", `${file} contains no JSON Schema: it must be an object.`)
})

const Amount = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

const Prices = Schema.Record(
  Schema.String,
  Schema.Struct({
    input: Amount,
    cachedInput: Schema.optionalKey(Amount),
    cacheWrite: Schema.optionalKey(Amount),
    output: Amount
  })
)

/** The prices of `--prices` or EFFECT_CODEX_PRICES, if there are any. */
export const pricesOf = Effect.fnUntraced(function*(given: Option.Option<string>) {
  const variable = yield* Effect.orElseSucceed(Config.String("EFFECT_CODEX_PRICES"), () => "")
  const argument = Option.isSome(given) ? "--prices" : "EFFECT_CODEX_PRICES"
  const file = Option.getOrElse(given, () => variable)
  if (file === "") {
    return Option.isSome(given) ? yield* invalid("--prices", "it names no file.") : Option.none()
  }
  const json = yield* readJson(argument, file)
  const prices = yield* Schema.decodeUnknownEffect(Prices)(json, { onExcessProperty: "error" }).pipe(
    Effect.mapError(() =>
      invalid(
        argument,
        `${file} is no list of prices. Write dollars per million tokens: {"gpt-5.4": {"input": 2, "cachedInput": 0.2, ` +
          `"output": 8}}.`
      )
    )
  )
  return Option.some(Pricing.perMillionTokens(prices))
})

/** The images, with absolute paths: codex would resolve them in a folder of its own. */
export const imagesOf = (files: ReadonlyArray<string>) =>
  Effect.forEach(
    files,
    Effect.fnUntraced(function*(file) {
      const fs = yield* FileSystem.FileSystem
      const { resolve } = yield* Path.Path
      const path = resolve(file)
      const info = yield* Effect.option(fs.stat(path))
      if (Option.isNone(info)) return yield* invalid("--image", `${file} does not exist or cannot be read.`)
      if (info.value.type !== "File") return yield* invalid("--image", `${file} is not a file.`)
      return path
    })
  )
