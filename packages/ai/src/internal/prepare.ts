/** Prepares everything that a call needs before its turn: settings, tools, input and thread. */
import type * as Codex from "@effect-codex/client/Codex"
import type { InvalidArgument, ThreadBusy } from "@effect-codex/client/CodexError"
import type { Input } from "@effect-codex/client/Input"
import type { TurnOptions } from "@effect-codex/client/Thread"
import * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as CodexLanguageModel from "../CodexLanguageModel.ts"
import * as Conversation from "./conversation.ts"
import * as Errors from "./errors.ts"
import type { Marker } from "./marker.ts"
import type * as Parts from "./parts.ts"
import * as Threads from "./threads.ts"
import * as ToolCalls from "./toolCalls.ts"

/** What all calls of one language model share. */
export interface Provider {
  readonly codex: Codex.Codex["Service"]
  readonly injected: Threads.Injected
  /** The settings of the call that evaluates this effect. */
  readonly settings: Effect.Effect<CodexLanguageModel.Settings>
}

export interface Prepared {
  readonly settings: Threads.Settings
  /** How often to ask again for an object that does not match its schema. */
  readonly repair: number
  readonly input: Input
  readonly turnOptions: TurnOptions
  readonly calls: ToolCalls.ToolCalls
  /** Continues the conversation's thread, or starts a new one. */
  readonly find: Effect.Effect<Threads.Found, Threads.Failure>
  /** If two calls continue from the same answer at once, the second gets a fork. */
  readonly fork: (
    found: Threads.Found,
    busy: ThreadBusy
  ) => Effect.Effect<Threads.Found, Threads.Failure | ThreadBusy>
  /** @param tools the tools that the turn's thread was started with */
  readonly answerOf: (
    turn: { readonly id: string; readonly threadId: string },
    tools: Marker["tools"]
  ) => Parts.Answer
}

const toolsChanged = (method: string, missing: ReadonlyArray<string>) =>
  Errors.make(
    method,
    new AiError.ToolConfigurationError({
      toolName: missing[0]!,
      description: `The thread of this conversation was started without the tools ${missing.join(", ")}.`
    })
  )

/** @param tell receives the parts of the calls of the program's tools as they come */
export const prepare = Effect.fnUntraced(function*(
  provider: Provider,
  method: string,
  request: LanguageModel.ProviderOptions,
  tell: (part: Parts.Part) => Effect.Effect<void>
): Effect.fn.Return<Prepared, InvalidArgument | AiError.AiError> {
  const { codex, injected } = provider
  const {
    approveTool = () => Effect.succeed({ denied: "nobody is there to approve it" }),
    effort,
    history = "thread",
    onToolsChanged,
    repair = 0,
    summary,
    ...settings
  } = yield* provider.settings
  const isStateless = history === "stateless" || settings.ephemeral === true
  const calls = yield* ToolCalls.make(request, approveTool, tell)
  const conversation = Conversation.read(
    request.prompt,
    `${settings.baseInstructions ?? ""}\n${settings.developerInstructions ?? ""}`
  )
  const input = yield* Conversation.inputOf(conversation.input)

  const find = Effect.gen(function*() {
    const { marker } = conversation
    if (!isStateless && marker !== undefined) {
      const missing = Threads.missingTools(calls.digests, marker.tools)
      if (missing.length === 0) {
        const found = yield* Threads.goOn(codex, settings, conversation, marker, calls, injected)
        if (Option.isSome(found)) return found.value
      } else if (onToolsChanged === "fail") {
        return yield* toolsChanged(method, missing)
      }
    }
    return yield* Threads.start(codex, { ...settings, ...(isStateless && { ephemeral: true }) }, conversation, calls)
  })

  return {
    settings,
    repair,
    input,
    turnOptions: { model: settings.model, effort, summary, handlers: calls.handlers },
    calls,
    find,
    fork: (found, busy) =>
      conversation.marker === undefined || found.how !== "continued" || busy.delivered
        ? Effect.fail(busy)
        : Threads.fork(codex, settings, conversation, conversation.marker, calls),
    answerOf: (turn, tools) => ({
      marker: { threadId: turn.threadId, turnId: turn.id, before: conversation.digest, tools },
      has: (id) => request.tools.some((tool) => Tool.isProviderDefined(tool) && tool.id === id),
      ofCall: calls.ofCall
    })
  }
})
