/** Answers the calls of the program's tools in one turn. */
import type { InvalidArgument } from "@effect-codex/client/CodexError"
import type { DynamicTools } from "@effect-codex/client/DynamicTools"
import * as EffectAi from "@effect-codex/client/EffectAi"
import type { Overrides } from "@effect-codex/client/ServerRequests"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { HandlerFailure } from "./errors.ts"
import { digest } from "./marker.ts"
import type { Part } from "./parts.ts"

type AnyToolkit = Toolkit.WithHandler<Record<string, Tool.Any>>

/** What the caller passed. Needed because `LanguageModel.make` does not pass a toolkit's handlers to the provider. */
export interface Caller {
  readonly toolkit: AnyToolkit | undefined
  readonly concurrency: number | "unbounded"
}

export const Caller = Context.Reference<Caller>("@effect-codex/ai/internal/Caller", {
  defaultValue: () => ({ toolkit: undefined, concurrency: "unbounded" })
})

export interface ToolCalls {
  /** The tools to start a thread with. */
  readonly tools: DynamicTools | undefined
  /** A digest of each tool's specification, by name. */
  readonly digests: { readonly [name: string]: string }
  /** Answers the calls of one turn. */
  readonly handlers: Overrides
  /** Never succeeds. Fails once a handler with `failureMode: "error"` fails. */
  readonly failure: Effect.Effect<never, HandlerFailure>
  readonly hasCalled: () => boolean
  readonly ofCall: (callId: string) => ReadonlyArray<Part>
}

const names = (specs: DynamicTools["specs"]): { readonly [name: string]: string } =>
  Object.fromEntries(specs.map((spec) => [spec.name, digest(JSON.stringify(spec))]))

const encodeModelOutput = Schema.encodeUnknownEffect(Schema.Array(Prompt.ToolModelOutputPart))

const fits = ({ params, tool }: EffectAi.ToolCall): boolean =>
  !Schema.isSchema(tool.parametersSchema) || Schema.is(Schema.toEncoded(tool.parametersSchema))(params)

/**
 * @param approve approves or denies calls of tools that need approval
 * @param tell receives the parts of each call as they come
 */
export const make = Effect.fnUntraced(function*(
  request: LanguageModel.ProviderOptions,
  approve: (call: EffectAi.ToolCall) => Effect.Effect<EffectAi.Approval>,
  tell: (part: Part) => Effect.Effect<void>
): Effect.fn.Return<ToolCalls, InvalidArgument> {
  const { concurrency, toolkit } = yield* Caller
  const failed = Deferred.makeUnsafe<never, HandlerFailure>()
  const parts = new Map<string, Array<Part>>()
  const allowed = new Set(request.toolChoice === "none" ? [] : request.tools.map(({ name }) => name))
  let hasCalled = false

  const told = Effect.fnUntraced(function*(call: EffectAi.ToolCall, more: ReadonlyArray<Part>) {
    const { callId, params, tool } = call
    let known = parts.get(callId)
    if (known === undefined) {
      known = [{ type: "tool-call", id: callId, name: tool.name, params, providerExecuted: true }]
      parts.set(callId, known)
      yield* tell(known[0]!)
    }
    for (const part of more) {
      if (part.type !== "tool-result" || part.preliminary !== true) known.push(part)
      yield* tell(part)
    }
  })

  const onResult = Effect.fnUntraced(function*(call: EffectAi.ToolCall, result: Tool.HandlerResult<Tool.Any>) {
    // The model was told and may call again. `effect/ai` rejects parts whose arguments do not match their tool.
    if (result.failureOrigin === "parameters" || !fits(call)) return
    const { encodedResult, isFailure, preliminary } = result
    const modelOutput = result.modelOutput === undefined
      ? undefined
      : yield* Effect.option(encodeModelOutput(result.modelOutput))
    yield* told(call, [{
      type: "tool-result",
      id: call.callId,
      name: call.tool.name,
      result: encodedResult,
      isFailure,
      ...(preliminary && { preliminary }),
      ...(modelOutput?._tag === "Some" && { modelOutput: modelOutput.value }),
      providerExecuted: true
    }])
  })

  // The whole call fails, so the model must not continue: never answer.
  const onFailure = (_: EffectAi.ToolCall, cause: Cause.Cause<unknown>) =>
    Effect.andThen(Deferred.fail(failed, new HandlerFailure(cause)), Effect.never)

  // With less than one, no handler would ever run.
  const limit = concurrency === "unbounded" ? undefined : Semaphore.makeUnsafe(concurrency >= 1 ? concurrency : 1)

  const tools: DynamicTools | undefined =
    toolkit === undefined || Object.values(toolkit.tools).every(Tool.isProviderDefined)
      ? undefined
      // The caller's context provides what the handlers need: it is in the type of the call.
      : yield* EffectAi.fromToolkit(toolkit, {
        messages: request.prompt.content,
        approve,
        onResult,
        onFailure
      }) as Effect.Effect<DynamicTools, InvalidArgument>
  const answer = tools?.handler()

  return {
    tools,
    digests: tools === undefined ? {} : names(tools.specs),
    handlers: answer === undefined ? {} : {
      "item/tool/call": (asked) => {
        if (!allowed.has(asked.params.tool)) {
          return Effect.succeed({
            success: false,
            contentItems: [{ type: "inputText", text: `The tool ${asked.params.tool} may not be used in this turn.` }]
          })
        }
        hasCalled = true
        return limit === undefined ? answer(asked) : limit.withPermits(1)(answer(asked))
      }
    },
    failure: Deferred.await(failed),
    hasCalled: () => hasCalled,
    ofCall: (callId) => parts.get(callId) ?? []
  }
})
