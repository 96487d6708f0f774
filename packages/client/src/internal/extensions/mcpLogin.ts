/**
 * One OAuth login to an MCP server. The server announces its end in a notification, which can come in the same read as
 * the reply that names it, so this observes before it asks.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import { type ConnectionError, McpLoginFailed } from "../../CodexError.ts"
import type { McpLoginOptions } from "../../Extensions.ts"
import { inOwnScope } from "../ownScope.ts"
import { at } from "../protocol/peek.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import { defined } from "../settings/settings.ts"
import * as ServerTexts from "../text/serverTexts.ts"

type Outcome = Exit.Exit<void, McpLoginFailed | ConnectionError>

// A server has few logins under way at once. Bounds memory against one that announces ends for ever.
const maxEarly = 64

const outcomeOf = (server: string, loginId: string | null, params: unknown): Outcome => {
  if (at(params, "success") === true) return Exit.void
  const error = at(params, "error")
  const detail = Predicate.isString(error) && error.trim() !== "" ? error : "the server gave no reason"
  return Exit.fail(new McpLoginFailed({ reason: ServerTexts.mcpLoginReason(detail), server, loginId, detail }))
}

/** A login that could not be started leaves nothing behind in the scope of its caller. */
export const start = (rpc: Rpc, options: McpLoginOptions) =>
  Effect.map(inOwnScope(attemptOf(rpc, options)), ([login]) => login)

const attemptOf = Effect.fnUntraced(function*(rpc: Rpc, options: McpLoginOptions) {
  const { clientRegistration, environmentId, scopes, server, threadId, timeout } = options
  const ended = Deferred.makeUnsafe<void, McpLoginFailed | ConnectionError>()
  const early: Array<unknown> = []
  let attempt: { readonly loginId: string | null } | undefined
  let outcome: Outcome | undefined

  const onCompleted = (params: unknown): void => {
    if (at(params, "name") !== server) return
    if (attempt === undefined) {
      if (early.length < maxEarly) early.push(params)
      return
    }
    // Older servers name the attempt neither here nor in the reply.
    if ((at(params, "loginId") ?? null) === attempt.loginId) {
      outcome ??= outcomeOf(server, attempt.loginId, params)
    }
  }
  const tell = (): void => {
    if (outcome !== undefined) Deferred.doneUnsafe(ended, outcome)
  }
  const end = (cause: ConnectionError): void => {
    outcome ??= Exit.fail(cause)
    tell()
  }
  yield* internalsOf(rpc).observe(threadId, {
    onNotification: ({ _tag, params }) => {
      if (_tag === "mcpServer/oauthLogin/completed") onCompleted(params)
    },
    onReadEnd: tell,
    onEnd: end,
    // The attempt belonged to the process that is gone.
    onLost: end
  })
  const timeoutSecs = timeout === undefined ? undefined : secondsOf(timeout)
  const reply = yield* rpc.request("mcpServer/oauth/login", {
    name: server,
    ...defined({ clientRegistration, environmentId, scopes, threadId, timeoutSecs })
  })
  const loginId = reply.loginId ?? null
  attempt = { loginId }
  early.splice(0).forEach(onCompleted)
  tell()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      outcome ??= Exit.fail(
        new McpLoginFailed({ reason: "closed", server, loginId, detail: "the scope of its handle closed" })
      )
      tell()
    })
  )
  return { id: loginId, url: reply.authorizationUrl, wait: Deferred.await(ended) }
})

/** Whole seconds, as the server counts. It takes no fewer than one. */
const secondsOf = (timeout: Duration.Input): number =>
  Math.max(1, Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(timeout))))
