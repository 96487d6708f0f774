/**
 * An app-server without codex, for clients in any language: the fake of `@effect-codex/testing` on stdin and stdout.
 */
import * as FakeAppServer from "@effect-codex/testing/FakeAppServer"
import * as ScriptedModel from "@effect-codex/testing/ScriptedModel"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

// =============================================================================
// The script, as JSON
// =============================================================================

const Delay = Schema.Struct({ delay: Schema.Union([Schema.Number, Schema.String]) })
const Deltas = Schema.Union([Schema.String, Schema.Array(Schema.Union([Schema.String, Delay]))])

const Part = Schema.Union([
  Schema.String,
  Delay,
  Schema.Struct({ text: Deltas, phase: Schema.optionalKey(Schema.Literals(["commentary", "final_answer"])) }),
  Schema.Struct({ reasoning: Deltas, content: Schema.optionalKey(Deltas) }),
  Schema.Struct({ exec: Schema.String, args: Schema.optionalKey(Schema.JsonObject) }),
  Schema.Struct({
    call: Schema.String,
    arguments: Schema.optionalKey(Schema.JsonObject),
    namespace: Schema.optionalKey(Schema.String)
  })
])

const Usage = Schema.Struct({
  input: Schema.optionalKey(Schema.Int),
  cached: Schema.optionalKey(Schema.Int),
  output: Schema.optionalKey(Schema.Int),
  reasoning: Schema.optionalKey(Schema.Int)
})

const Answer = Schema.Union([
  Part,
  Schema.Array(Part),
  Schema.Struct({ reply: Schema.Array(Part), usage: Schema.optionalKey(Usage) }),
  Schema.Struct({ failed: Schema.Struct({ code: Schema.String, message: Schema.String }) }),
  Schema.Struct({ httpFailure: Schema.Struct({ status: Schema.Int, body: Schema.optionalKey(Schema.Json) }) })
])

const Script = Schema.Struct({
  answers: Schema.optionalKey(Schema.Array(Answer)),
  otherwise: Schema.optionalKey(Answer),
  commands: Schema.optionalKey(Schema.Record(
    Schema.String,
    Schema.Struct({ output: Schema.optionalKey(Schema.String), exitCode: Schema.optionalKey(Schema.Int) })
  )),
  cwd: Schema.optionalKey(Schema.String)
})

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Script), { onExcessProperty: "error" })

const delay = ({ delay }: typeof Delay.Type): ScriptedModel.Delay =>
  // An invalid duration throws here and is reported as a mistake in the script.
  ScriptedModel.delay(delay as Duration.Input)

const deltas = (given: typeof Deltas.Type) =>
  typeof given === "string" ? given : given.map((delta) => typeof delta === "string" ? delta : delay(delta))

const part = (given: typeof Part.Type): string | ScriptedModel.Part => {
  if (typeof given === "string") return given
  if ("delay" in given) return delay(given)
  if ("text" in given) return ScriptedModel.text(deltas(given.text), { phase: given.phase })
  if ("reasoning" in given) {
    const content = given.content === undefined ? undefined : deltas(given.content)
    return ScriptedModel.reasoning(deltas(given.reasoning), { content })
  }
  if ("exec" in given) return ScriptedModel.exec(given.exec, { args: given.args })
  return ScriptedModel.functionCall(given.call, given.arguments ?? {}, { namespace: given.namespace })
}

const isParts = (given: typeof Answer.Type): given is ReadonlyArray<typeof Part.Type> => Array.isArray(given)

const answer = (given: typeof Answer.Type): ScriptedModel.Answer => {
  if (typeof given === "string") return given
  if (isParts(given)) return given.map(part)
  if ("reply" in given) return ScriptedModel.reply(given.reply.map(part), { usage: given.usage })
  if ("failed" in given) return ScriptedModel.failed(given.failed.code, given.failed.message)
  if ("httpFailure" in given) return ScriptedModel.httpFailure(given.httpFailure.status, given.httpFailure.body)
  return part(given)
}

const options = ({ answers = [], commands = {}, cwd, otherwise }: typeof Script.Type): FakeAppServer.Options => ({
  cwd,
  exec: ({ command }) => Object.hasOwn(commands, command) ? commands[command] ?? {} : {},
  model: {
    answers: answers.map(answer),
    ...(otherwise === undefined ? {} : { answer: () => answer(otherwise) })
  }
})

// =============================================================================
// The command
// =============================================================================

export class ScriptUnreadable
  extends Data.TaggedError("ScriptUnreadable")<{ readonly path: string; readonly detail: string }>
{
  override get message(): string {
    return `the script ${this.path} cannot be used: ${this.detail}`
  }
}

const read = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const unreadable = (error: { readonly message: string }) => new ScriptUnreadable({ path, detail: error.message })
  const text = yield* Effect.mapError(fs.readFileString(path), unreadable)
  const script = yield* Effect.mapError(decode(text), unreadable)
  return yield* Effect.try({
    try: () => options(script),
    catch: (error) => unreadable(error instanceof Error ? error : new Error(String(error)))
  })
})

const echoing: FakeAppServer.Options = { model: { answer: ({ prompt }) => `You said: ${prompt}` } }

export const serve = Effect.fnUntraced(function*(given: { readonly script: Option.Option<string> }) {
  const fake = Option.isSome(given.script) ? yield* read(given.script.value) : echoing
  const { server } = yield* FakeAppServer.make(fake)
  yield* Effect.provideService(FakeAppServer.serveStdio, FakeAppServer.FakeAppServer, server)
})
