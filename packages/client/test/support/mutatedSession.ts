/** A session with most of what the client can do, on a real codex whose frames a seeded mutator changes. */
import {
  ApprovalMode,
  AppServerRpc,
  Codex,
  DynamicTools,
  Sandbox,
  ServerRequests,
  type Thread,
  Transport
} from "@effect-codex/client"
import { CodexExecutable } from "@effect-codex/node"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { Mutation, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Context, Duration, Effect, Exit, Layer, Option, Schema, Stream } from "effect"

/**
 * How a call ended: `right`, `wrong: …`, the tag of an error, or something that must never happen, such as
 * `defect: …` or `hang`.
 */
export type Outcomes = Readonly<Record<string, string>>

// Far longer than any call takes here.
const longest = "40 seconds"

// No mutation ends the connection, so only the client itself can have ended it.
const isFault = (outcome: string): boolean =>
  /^(?:defect|hang|interrupted|TransportError|AppServerExited)/.test(outcome)

/** The outcomes that no mutation may cause. */
export const faults = (outcomes: Outcomes): ReadonlyArray<string> =>
  Object.entries(outcomes).flatMap(([call, outcome]) => isFault(outcome) ? [`${call}: ${outcome}`] : [])

export const notRight = (outcomes: Outcomes): ReadonlyArray<string> =>
  Object.entries(outcomes).flatMap(([call, outcome]) => outcome === "right" ? [] : [`${call}: ${outcome}`])

// =============================================================================
// The model
// =============================================================================

const escalated = { args: { sandbox_permissions: "require_escalated", justification: "May I?" } }

/** The answer depends on the request alone, so that a failed call does not shift the answers of the others. */
const answer = (gate: ScriptedModel.Gate) => (request: ScriptedModel.ModelRequest): ScriptedModel.Answer => {
  const { prompt, toolOutputs } = request
  const last = toolOutputs.at(-1)?.output
  if (JSON.stringify(request.input).includes("Reach the goal.")) {
    return last === undefined ? ScriptedModel.functionCall("update_goal", { status: "complete" }) : "Reached."
  }
  if (prompt === "Add.") return ScriptedModel.text(["{\"sum\"", ":5}"])
  if (prompt === "Ask.") return last === undefined ? ScriptedModel.exec("true", escalated) : "Asked."
  if (prompt === "Look up.") {
    return last === undefined ? ScriptedModel.functionCall("lookup", { id: "A" }) : `It is ${last}.`
  }
  return prompt === "Wait." || prompt === "Faster." ? ScriptedModel.text(["One, ", gate]) : "Well."
}

// =============================================================================
// The calls
// =============================================================================

const Sum = Schema.Struct({ sum: Schema.Finite })

const judge = <A, E extends { readonly _tag: string }>(
  exit: Exit.Exit<Option.Option<A>, E>,
  isRight: (value: A) => boolean
): string => {
  if (Exit.isSuccess(exit)) {
    return Option.isNone(exit.value)
      ? "hang"
      : isRight(exit.value.value)
      ? "right"
      : `wrong: ${JSON.stringify(exit.value.value)?.slice(0, 300)}`
  }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (Cause.hasDies(exit.cause)) return `defect: ${Cause.pretty(exit.cause)}`
  return error === undefined ? "interrupted" : kindOf(error)
}

type Call = <A, E extends { readonly _tag: string }, R>(
  name: string,
  effect: Effect.Effect<A, E, R>,
  isRight: (value: A) => boolean
) => Effect.Effect<A | undefined, never, R>

const calls = Effect.fnUntraced(function*(codex: Codex.Codex["Service"], call: Call) {
  const says = (text: string) => ({ finalResponse }: { readonly finalResponse: Option.Option<string> }) =>
    Option.contains(finalResponse, text)

  const tools = yield* DynamicTools.make(DynamicTools.tool("lookup", {
    description: "Looks something up.",
    input: Schema.Struct({ id: Schema.String }),
    handler: ({ id }) => Effect.succeed(`${id}1`)
  }))
  const start = (name: string) =>
    call(
      name,
      codex.startThread({ tools, approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly }),
      ({ id }) => id.length > 0
    )
  const add = (name: string, thread: Thread.Thread) =>
    call(name, thread.run("Add.", { output: Sum }), ({ output }) => output.sum === 5)

  const thread = yield* start("start")
  if (thread !== undefined) {
    yield* add("structured output", thread)
    const handlers = yield* ServerRequests.make({
      "item/commandExecution/requestApproval": () => Effect.succeed({ decision: "accept" })
    })
    yield* call(
      "approval",
      thread.run("Ask.", { handlers }),
      (result) =>
        says("Asked.")(result) && result.items.some((item) => item.type === "commandExecution" && item.exitCode === 0)
    )
    yield* call("tool", thread.run("Look up."), says("It is A1."))
    yield* Effect.scoped(Effect.gen(function*() {
      const turn = yield* call("turn", thread.turn("Wait."), ({ id }) => id.length > 0)
      if (turn === undefined) return
      // A mutation may have removed it.
      yield* turn.text.pipe(Stream.take(1), Stream.runDrain, Effect.timeoutOption("2 seconds"), Effect.exit)
      yield* call("steer", turn.steer("Faster."), () => true)
      yield* call("interrupt", turn.interrupt, () => true)
      yield* call("result", turn.result, ({ status }) => status === "interrupted")
    }))
    const resumed = yield* call("resume", codex.resumeThread(thread.id, { tools }), ({ id }) => id === thread.id)
    if (resumed !== undefined) yield* add("after resume", resumed)
    yield* call("read", thread.read({ includeTurns: true }), ({ turns }) => turns.length > 3)
    yield* call("list", Stream.runCollect(codex.listThreads()), (threads) => threads.some(({ id }) => id === thread.id))
  }
  const other = yield* start("start another")
  if (other !== undefined) yield* call("goal", other.runGoal("Reach the goal."), says("Reached."))
})

// =============================================================================
// The codex
// =============================================================================

export interface Options extends Mutation.Options {
  /** How long to wait for a reply, or for a sign of life of a turn. Mutations remove both. */
  readonly patience: Duration.Input
}

const clientOptions = ({ patience }: Options) => ({ stallTimeout: patience, stopGrace: "2 seconds" } as const)

const impatient = ({ patience }: Options) => Layer.succeed(AppServerRpc.DefaultRequestTimeout, patience)

export interface Session {
  readonly outcomes: Outcomes
  /** How long each call took. */
  readonly seconds: Readonly<Record<string, number>>
  readonly made: ReadonlyArray<Mutation.Mutation>
}

/** Runs all calls on a client that is connected to the mutator, and returns how each ended. */
const session = Effect.fnUntraced(function*<E extends { readonly _tag: string }, R>(
  client: Effect.Effect<Context.Context<Codex.Codex>, E, R>,
  { made }: Mutation.Mutator["Service"]
) {
  const outcomes: Record<string, string> = {}
  const seconds: Record<string, number> = {}
  const call: Call = (name, effect, isRight) =>
    Effect.map(Effect.timed(Effect.exit(Effect.timeoutOption(effect, longest))), ([took, exit]) => {
      outcomes[name] = judge(exit, isRight)
      seconds[name] = Duration.toSeconds(took)
      return Exit.isSuccess(exit) ? Option.getOrUndefined(exit.value) : undefined
    })
  const context = yield* call("connect", client, () => true)
  if (context !== undefined) yield* calls(Context.get(context, Codex.Codex), call)
  return { outcomes, seconds, made: yield* made }
})

/** Mutates frames in the client's transport. */
export const onTransport = Effect.fnUntraced(function*(options: Options) {
  const gate = yield* ScriptedModel.gate
  const context = yield* Layer.build(
    Mutation.layer(options).pipe(
      Layer.provide(ScriptedCodex.layerTransport({ model: { answer: answer(gate) } }))
    )
  )
  const client = Layer.build(
    Codex.layer(clientOptions(options)).pipe(
      Layer.provide(AppServerRpc.layer()),
      Layer.provide(Layer.succeed(Transport.Transport, Context.get(context, Transport.Transport))),
      Layer.provide(impatient(options))
    )
  )
  return yield* session(client, Context.get(context, Mutation.Mutator))
}, Effect.scoped)

/** Mutates frames in a process in front of codex. */
export const onExecutable = Effect.fnUntraced(
  function*(options: Options) {
    const gate = yield* ScriptedModel.gate
    const found = yield* CodexExecutable.find()
    const { executable, mutator } = yield* Mutation.executable({ ...options, executable: found.executable })
    const client = Layer.build(
      Layer.provide(
        ScriptedCodex.layer({ model: { answer: answer(gate) }, codex: { ...clientOptions(options), executable } }),
        impatient(options)
      )
    )
    return yield* session(client, mutator)
  },
  Effect.scoped,
  Effect.provide(NodeServices.layer)
)
