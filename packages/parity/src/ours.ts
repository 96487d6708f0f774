/** Runs a scenario through this library. */
import type { Turn } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { Effect, Exit, Schema, Stream } from "effect"
import type { Notes, Scenario, Steps } from "./scenario.ts"
import * as Shapes from "./shapes.ts"
import type { World } from "./world.ts"

const json = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))

/** What JSON keeps of a value. */
const plain = (value: unknown): Schema.Json => value === undefined ? null : json(JSON.stringify(value))

export const run = Effect.fnUntraced(function*(scenario: Scenario, world: World) {
  const results: Array<Notes["results"][number]> = []
  const events: Array<Notes["events"][number]> = []
  const errors: Array<Notes["errors"][number]> = []

  const result = (step: string, value: unknown): void => void results.push({ step, value: plain(value) })
  const turn: Steps["turn"] = (step, value) => result(step, Shapes.turnResult(value))
  const note = (step: string, event: Effect.Success<ReturnType<typeof eventOf>>): void =>
    void events.push({ step, method: event.method, params: plain(event.params) })

  const steps: Steps = {
    workspace: world.workspace,
    codex: (options) => (effect) =>
      Effect.scoped(effect).pipe(Effect.provide(CodexNode.layer({
        executable: world.executable,
        cwd: world.workspace,
        ...options,
        env: { ...world.env, ...options?.env }
      }))),
    result,
    turn,
    run: (step, thread, ...args) => Effect.map(thread.run(...args), (value) => turn(step, value)),
    stream: Effect.fnUntraced(function*<E = never>(step: string, turn: Turn.Turn, onDelta?: Effect.Effect<void, E>) {
      let isSeen = onDelta === undefined
      yield* Stream.runForEach(turn.events, (event) =>
        Effect.gen(function*() {
          note(step, yield* eventOf(event))
          if (isSeen || event._tag !== "item/agentMessage/delta") return
          isSeen = true
          yield* onDelta ?? Effect.void
        }))
    }),
    fails: (step, call) =>
      Effect.map(Effect.exit(call), (exit) => {
        if (Exit.isSuccess(exit)) {
          errors.push({ step, error: { kind: "none" } })
          if (exit.value !== undefined) result(step, exit.value)
          return
        }
        const failure = Exit.findErrorOption(exit)
        errors.push({ step, error: plain(failure._tag === "Some" ? Shapes.error(failure.value) : { kind: "defect" }) })
      }),
    reached: (gate) => world.gate(gate).reached,
    release: (gate) => world.gate(gate).release
  }

  yield* Effect.scoped(scenario.ours(steps))
  const notes: Notes = { results, events, errors }
  return notes
})

const eventOf = (event: { readonly _tag: string; readonly params: unknown; readonly method?: string }) =>
  Effect.succeed({ method: event.method ?? event._tag, params: event.params })
