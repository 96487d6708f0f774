import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FileSystem, Option } from "effect"
import { join } from "node:path"
import * as RunOptions from "../src/internal/runOptions.ts"

const message = <A, R>(effect: Effect.Effect<A, { readonly message: string }, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.message)

describe("a duration", () => {
  it.effect("is a number with units, or seconds", () =>
    Effect.gen(function*() {
      const millis = (text: string) => Effect.map(RunOptions.durationOf("--timeout", text), Duration.toMillis)
      assert.deepStrictEqual(
        yield* Effect.forEach(["90s", "1h30m", "500ms", "2", "1.5m"], millis),
        [90_000, 5_400_000, 500, 2000, 90_000]
      )
      for (const text of ["", "soon", "0", "0s", "-1s", "1 s", "s", "9999h", "5x", "1m and more", "Infinity", "1e3"]) {
        assert.match(yield* message(RunOptions.durationOf("--timeout", text)), /^Invalid --timeout: .*such as 90s/)
      }
    }))
})

describe("a budget", () => {
  it.effect("is tokens or dollars", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* Effect.forEach(["20000", "20k", "1.5M", "0", "$2", "0.50usd", "3 USD"], RunOptions.limitsOf),
        [{ tokens: 20_000 }, { tokens: 20_000 }, { tokens: 1_500_000 }, { tokens: 0 }, { cost: 2 }, { cost: 0.5 }, {
          cost: 3
        }]
      )
      for (const text of ["", "much", "-1", "2eur", "$", "1e400", "9".repeat(400)]) {
        assert.match(yield* message(RunOptions.limitsOf(text)), /^Invalid --budget: .*such as 20000 or 20k/)
      }
    }))
})

describe("an override of the configuration", () => {
  it.effect("is refused by its key, before codex would ignore it", () =>
    Effect.gen(function*() {
      const good = ["model_reasoning_effort=high", "a.b=[1, 2]", "name=plain words"]
      assert.deepStrictEqual(yield* RunOptions.overridesOf(good), good)
      const refusal = (text: string) => message(RunOptions.overridesOf(["a=1", text]))
      assert.match(yield* refusal("model"), /^Invalid --config: "model": .*key=value/)
      assert.match(yield* refusal("=1"), /^Invalid --config: "=1": .*key=value/)
      assert.match(yield* refusal("a.\"b.c\"=1"), /^Invalid --config: a\."b\.c": .*TOML table/)
      assert.match(yield* refusal("a={b=}"), /^Invalid --config: a: the value is not valid TOML/)
    }))
})

describe("the files", () => {
  const withFile = <A, E>(
    name: string,
    text: string,
    test: (file: string, folder: string) => Effect.Effect<A, E, NodeServices.NodeServices>
  ) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(join(folder, name), text)
      return yield* test(join(folder, name), folder)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

  it.effect("of prices are dollars per million tokens", () =>
    withFile("prices.json", `{"m": {"input": 2, "output": 8}}`, (file) =>
      Effect.gen(function*() {
        const price = Option.getOrThrow(yield* RunOptions.pricesOf(Option.some(file)))
        const usage = {
          totalTokens: 2e6,
          inputTokens: 1e6,
          cachedInputTokens: 0,
          cacheWriteInputTokens: 0,
          outputTokens: 1e6,
          reasoningOutputTokens: 0
        }
        assert.deepStrictEqual(price("m", usage), Option.some(10))
        assert.match(
          yield* message(RunOptions.pricesOf(Option.some(`${file}.gone`))),
          /^Invalid --prices: .* does not exist/
        )
      })))

  it.effect("are refused by the option's name", () =>
    withFile("wrong.json", `{"m": {"input": "2"}}`, (file, folder) =>
      Effect.gen(function*() {
        assert.match(yield* message(RunOptions.pricesOf(Option.some(file))), /^Invalid --prices: .*no list of prices/)
        assert.match(
          yield* message(RunOptions.outputSchemaOf(`${file}.gone`)),
          /^Invalid --output-schema: .*does not exist/
        )
        assert.match(yield* message(RunOptions.outputSchemaOf(folder)), /^Invalid --output-schema: .*cannot be read/)
        assert.match(yield* message(RunOptions.imagesOf([folder])), /^Invalid --image: .*is not a file/)
        assert.match(yield* message(RunOptions.imagesOf([`${file}.gone`])), /^Invalid --image: .*does not exist/)
      })))

  it.effect("of a schema contain an object", () =>
    withFile("list.json", "[1]", (file) =>
      Effect.map(
        message(RunOptions.outputSchemaOf(file)),
        (text) => assert.match(text, /^Invalid --output-schema: .*must be an object/)
      )))
})
