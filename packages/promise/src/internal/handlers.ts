import * as Approvals from "@effect-codex/client/Approvals"
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as Elicitation from "@effect-codex/client/Elicitation"
import * as OptionKinds from "@effect-codex/client/internal/options"
import * as Questions from "@effect-codex/client/Questions"
import type * as ServerRequests from "@effect-codex/client/ServerRequests"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Handler, Handlers } from "../Handlers.ts"
import { CallerContext, type Within } from "./callerContext.ts"

/** Keeps a thrown value unchanged: the client reports it, or sends it if it is a `Refusal`. */
export const fromAsync =
  (within: Within) => <Request, Answer>(handler: Handler<Request, Answer>) => (request: Request) =>
    Effect.tryPromise({
      try: async (interrupted) => {
        // Abort listeners run in the async context of the code that aborts, so abort in the caller's.
        const controller = new AbortController()
        interrupted.addEventListener("abort", () => within(() => controller.abort(interrupted.reason)), { once: true })
        return within(() => handler(request, { signal: controller.signal }))
      },
      catch: (error) => error
    })

const unfit = (handler: string, expected: string) =>
  Effect.fail(new InvalidArgument({ argument: "handlers", detail: `${handler} must be ${expected}.` }))

const ofApprovals: OptionKinds.Kinds = {
  command: OptionKinds.callback,
  fileChange: OptionKinds.callback,
  mcpTool: OptionKinds.callback,
  permissions: OptionKinds.callback
}

const approvals = (
  within: Within,
  given: NonNullable<Handlers["approvals"]>
): Effect.Effect<ServerRequests.Overrides, InvalidArgument> => {
  const effect = fromAsync(within)
  if (given === "accept") return Effect.succeed(Approvals.acceptAll)
  if (given === "decline") return Effect.succeed(Approvals.declineAll)
  if (!Predicate.isObjectKeyword(given)) return unfit("approvals", `"accept", "decline", a function or functions`)
  if (typeof given === "function") return Approvals.acceptWhen(effect(given))
  const wrong = OptionKinds.problemOf(given, ofApprovals)
  if (wrong !== undefined) return unfit(`approvals.${wrong.argument}`, OptionKinds.callback.expected)
  const { command, fileChange, mcpTool, permissions } = given
  return Approvals.make({
    command: command && effect(command),
    fileChange: fileChange && effect(fileChange),
    permissions: permissions && effect(permissions),
    mcpTool: mcpTool && effect(mcpTool)
  })
}

// Iterating a record of handlers loses the types of its members.
type Any = Handler<ServerRequests.RawRequest, never>

const byMethod = (within: Within, given: NonNullable<Handlers["requests"] | Handlers["raw"]>) =>
  Object.fromEntries(
    Object.entries(given).flatMap(([method, handler]) =>
      handler === undefined ? [] : [[method, fromAsync(within)(handler as Any)] as const]
    )
  )

/** The typed handlers override those for the same protocol methods. */
export const overrides = Effect.fnUntraced(function*(
  handlers: Handlers
): Effect.fn.Return<ServerRequests.Overrides, InvalidArgument> {
  yield* OptionKinds.checkArgument("handlers", handlers, OptionKinds.record)
  const { approvals: approval, elicitation, raw, requests, questions } = handlers
  if (elicitation !== undefined && !OptionKinds.callback.fits(elicitation)) {
    return yield* unfit("elicitation", OptionKinds.callback.expected)
  }
  for (const [name, given] of Object.entries({ raw, requests })) {
    if (given !== undefined && !OptionKinds.functions.fits(given)) yield* unfit(name, OptionKinds.functions.expected)
  }
  if (questions !== undefined && questions !== "firstOption" && typeof questions !== "function") {
    return yield* unfit("questions", `"firstOption" or a function`)
  }
  const within = yield* CallerContext
  const effect = fromAsync(within)
  return {
    ...requests && byMethod(within, requests),
    ...raw && { raw: byMethod(within, raw) },
    ...elicitation && (yield* Elicitation.make(effect(elicitation))),
    ...approval !== undefined && (yield* approvals(within, approval)),
    ...questions === "firstOption"
      ? Questions.firstOption
      : questions && (yield* Questions.make(effect(questions)))
  }
})
