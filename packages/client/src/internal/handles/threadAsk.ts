/** Side questions about a thread. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { Budget } from "../../Budget.ts"
import type { AskError } from "../../CodexError.ts"
import { AskFailed, InvalidArgument, ThreadNotPersisted } from "../../CodexError.ts"
import type { Answer, AskOptions, Thread } from "../../Thread.ts"
import * as OptionKinds from "../options.ts"
import { type Members, membersOf, rawOf } from "../protocol/peek.ts"
import { using } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import { defined } from "../settings/settings.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import * as Spending from "../turns/spending.ts"
import { none } from "../turns/usage.ts"

// `Effect.fn` takes a stack when it is named: here once, and not for each handle.
const traced = Effect.fn("Thread.ask")

// docs/codex-behaviour.md, "A side question has at most 4,000 bytes".
const maxPromptBytes = 4000

const checked = (prompt: string): Effect.Effect<void, InvalidArgument> => {
  const invalid = (detail: string) => Effect.fail(new InvalidArgument({ argument: "prompt", detail }))
  if (!Predicate.isString(prompt)) return invalid("expected a string.")
  if (prompt.trim() === "") return invalid("it must not be empty.")
  // A string never has fewer bytes than UTF-16 code units, so encode only short ones.
  const bytes = prompt.length > maxPromptBytes ? prompt.length : new TextEncoder().encode(prompt).length
  return bytes > maxPromptBytes
    ? invalid(`it has ${bytes} bytes or more and the server takes ${maxPromptBytes}. Run a turn on a fork instead.`)
    : Effect.void
}

const latestTurnOf = ({ data }: Members): string | null | undefined => {
  if (!Array.isArray(data)) return undefined
  const { id } = membersOf(rawOf(data[0]))
  return data.length === 0 ? null : Predicate.isString(id) ? id : undefined
}

/** The last turn that the server has stored, also while it runs. */
const latestTurn = Effect.fnUntraced(function*(rpc: Rpc, threadId: string) {
  const method = "thread/turns/list"
  const id = yield* rpc.request(method, { threadId, limit: 1, sortDirection: "desc", itemsView: "notLoaded" }).pipe(
    using(rpc, method, latestTurnOf)
  )
  return id ?? (yield* new ThreadNotPersisted({ method, code: -32600, detail: `thread ${threadId} has no turn yet.` }))
})

const count = (u: unknown): Option.Option<number> => Predicate.isNumber(u) ? Option.some(u) : Option.none()

const answerOf = ({ cachedInputTokens, inputTokens, outputTokens, text }: Members): Answer | undefined =>
  text === null || Predicate.isString(text)
    ? {
      text: Option.fromNullOr(text),
      usage: Option.all({
        inputTokens: count(inputTokens),
        cachedInputTokens: count(cachedInputTokens),
        outputTokens: count(outputTokens)
      })
    }
    : undefined

// Each refusal means that a turn has begun meanwhile, so a thread that is only asked about needs no second attempt.
const attempts = 5

const tokensOf = ({ usage }: Answer) => {
  const { cachedInputTokens, inputTokens, outputTokens } = Option.getOrElse(usage, () => none)
  return { ...none, cachedInputTokens, inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }
}

/**
 * @param spending the budgets of the thread and the client, and the prices.
 * @param loaded loads the thread first, if the server may not have it loaded.
 */
export const make = (
  rpc: Rpc,
  threadId: string,
  spending: (budget: Budget | undefined) => Effect.Effect<Spending.Spending>,
  loaded: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | AskError>
): Pick<Thread, "ask"> => {
  const sample = (params: Omit<ClientRequests["thread/sample"]["params"], "threadId" | "expectedTurnId">) => {
    const attempt = (left: number): Effect.Effect<Answer, AskError> =>
      latestTurn(rpc, threadId).pipe(
        Effect.flatMap((expectedTurnId) => rpc.request("thread/sample", { threadId, expectedTurnId, ...params })),
        using(rpc, "thread/sample", answerOf),
        Effect.catchTag("RpcError", (error): Effect.Effect<Answer, AskError> => {
          // Refused before the model was asked: another turn has begun since.
          if (left > 0 && ServerTexts.isOlderTurn(error.detail)) return attempt(left - 1)
          return error.method === "thread/sample" && error.reason === "internal"
            ? new AskFailed({ threadId, detail: error.detail })
            : Effect.fail(error)
        })
      )
    return attempt(attempts - 1)
  }
  return {
    ask: traced(function*(prompt: string, options?: AskOptions) {
      yield* OptionKinds.check(options, OptionKinds.ofAsk)
      yield* checked(prompt)
      yield* Effect.annotateCurrentSpan({ "codex.thread.id": threadId })
      const given = yield* spending(undefined)
      const model = internalsOf(rpc).settingsOf(threadId)?.model
      const meter = yield* Spending.open(given, threadId, model)
      const answer = yield* loaded(sample({
        prompt,
        allowInProgressTurn: true,
        ...defined({
          effort: options?.effort,
          disableMcp: options?.disableMcp,
          responsesapiClientMetadata: options?.metadata
        })
      }))
      const tokens = tokensOf(answer)
      meter?.ledgers.forEach((ledger) =>
        ledger.charge({ modelCalls: 1, tokens: tokens.totalTokens, cost: given.price(model, tokens) })
      )
      return answer
    }, Effect.scoped)
  }
}
