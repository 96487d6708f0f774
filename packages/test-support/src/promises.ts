/** A real codex with a scripted model, for tests that cannot import Effect 4 because they are about Effect 3. */
import { Codex, DynamicTools, type Output } from "@effect-codex/client"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { Effect, ManagedRuntime, Option } from "effect"

type Script =
  | { readonly answer: string }
  | { readonly calls: ReadonlyArray<ScriptedModel.JsonObject> }

// The prompt carries the script, so that a failed test leaves no answers for the next one.
const model: ScriptedModel.Options = {
  answer: ({ prompt, toolOutputs }) => {
    const script: Script = JSON.parse(prompt)
    if ("answer" in script) return script.answer
    const args = script.calls[toolOutputs.length]
    return args === undefined ? "done" : ScriptedModel.functionCall("note", args)
  }
}

const requestsFrom = (first: number) =>
  Effect.flatMap(ScriptedModel.ScriptedModel, ({ requests }) => Effect.map(requests, (all) => all.slice(first)))

const count = Effect.map(requestsFrom(0), ({ length }) => length)

/** Runs a turn that the model answers with `answer`. Returns its output or error, and the model's JSON Schema. */
const answered = Effect.fnUntraced(function*<A>(output: Output.Output<A>, answer: string) {
  const before = yield* count
  const thread = yield* (yield* Codex.Codex).startThread()
  const turn = yield* Effect.match(thread.run(JSON.stringify({ answer } satisfies Script), { output }), {
    onFailure: (error) => ({ error }),
    onSuccess: ({ output }) => ({ output })
  })
  const [request] = yield* requestsFrom(before)
  return { ...turn, asked: request && Option.getOrUndefined(request.outputSchema) }
})

/** Runs a turn in which the model calls a tool with each argument. Returns what the handler and the model got. */
const called = Effect.fnUntraced(function*<A>(
  input: Output.JsonSchemaOutput<A>,
  calls: ReadonlyArray<ScriptedModel.JsonObject>
) {
  const given: Array<A> = []
  const tools = yield* DynamicTools.make(DynamicTools.tool("note", {
    description: "Notes it.",
    input,
    handler: (input) => Effect.sync(() => (given.push(input), "noted"))
  }))
  const before = yield* count
  const thread = yield* (yield* Codex.Codex).startThread({ tools })
  yield* thread.run(JSON.stringify({ calls } satisfies Script))
  const [first, ...others] = yield* requestsFrom(before)
  return {
    given,
    read: others.map(({ toolOutputs }) => toolOutputs.at(-1)?.output),
    offered: first?.tools.find(({ name }) => name === "note")
  }
})

export const openCodex = () => {
  const runtime = ManagedRuntime.make(ScriptedCodex.layer({ model }))
  return {
    answered: <A>(output: Output.Output<A>, answer: string) => runtime.runPromise(answered(output, answer)),
    called: <A>(input: Output.JsonSchemaOutput<A>, calls: ReadonlyArray<ScriptedModel.JsonObject>) =>
      runtime.runPromise(called(input, calls)),
    close: () => runtime.dispose()
  }
}
