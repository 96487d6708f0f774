import { AppServerRpc, Codex } from "@effect-codex/client"
import { Mutation, ScriptedCodex } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Schema } from "effect"

// A part of a program.
const count = Effect.fn("count")(function*(what: string) {
  const thread = yield* (yield* Codex.Codex).startThread()
  const { output } = yield* thread.run(`Count the ${what}.`, { output: Schema.Struct({ count: Schema.Finite }) })
  return output.count
})

// The real codex, whose frames are changed.
const newer = (options: Mutation.Options) =>
  Codex.layer({ stallTimeout: "15 seconds" }).pipe(
    Layer.provide(AppServerRpc.layer()),
    Layer.provide(Layer.succeed(AppServerRpc.DefaultRequestTimeout, "15 seconds")),
    Layer.provideMerge(Mutation.layer(options)),
    Layer.provide(ScriptedCodex.layerTransport({ model: { answer: () => `{ "count": 3 }` } }))
  )

it.live.each([1, 2])("counts, whatever a newer codex adds (seed %s)", (seed) =>
  Effect.gen(function*() {
    assert.strictEqual(yield* count("files"), 3)
  }).pipe(Mutation.explain, Effect.provide(newer({ seed, kinds: Mutation.harmless, rate: 0.4 }))))

it.live.each([3, 4])("counts or says why not, whatever it takes away (seed %s)", (seed) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(Effect.provide(count("files"), newer({ seed, kinds: Mutation.harmful })))
    assert.isTrue(Exit.isSuccess(exit) || !Cause.hasDies(exit.cause), String(exit))
  }))
