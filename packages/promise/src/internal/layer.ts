import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import { AppServerConnectError, InvalidArgument } from "@effect-codex/client/CodexError"
import * as OptionKinds from "@effect-codex/client/internal/options"
import * as ServerRequests from "@effect-codex/client/ServerRequests"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as CodexPool from "@effect-codex/node/CodexPool"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { CodexOptions, LogEntry, RestartOptions, WebSocketConnection } from "../Codex.ts"
import * as Background from "./background.ts"
import * as Budget from "./budget.ts"
import { CallerContext, current, type Within } from "./callerContext.ts"
import { fromAsync, overrides } from "./handlers.ts"
import * as CodexHooks from "./hooks.ts"
import type { Services } from "./host.ts"

const schedule = ({ attempts, firstPause, longestPause }: RestartOptions): AppServerRpc.RestartSchedule =>
  Schedule.max([
    Schedule.min([
      Schedule.exponential(firstPause ?? "200 millis"),
      Schedule.spaced(longestPause ?? "30 seconds")
    ]),
    Schedule.recurs(attempts ?? 10)
  ])

const ofCodex: OptionKinds.Kinds = {
  ...OptionKinds.ofProcess,
  ...OptionKinds.ofConnection,
  ...OptionKinds.ofClient,
  apiKey: OptionKinds.text,
  chatgptTokens: OptionKinds.callback,
  checkFiles: OptionKinds.flag,
  connect: OptionKinds.record,
  handlers: OptionKinds.record,
  hooks: OptionKinds.record,
  maxFrameBytes: OptionKinds.count,
  onLog: OptionKinds.callback,
  pool: OptionKinds.record,
  pricing: OptionKinds.either(OptionKinds.callback, OptionKinds.record),
  restart: OptionKinds.either(OptionKinds.flag, OptionKinds.record)
}

const ofRestart: OptionKinds.Kinds = {
  attempts: OptionKinds.countOrNone,
  firstPause: OptionKinds.time,
  longestPause: OptionKinds.time
}

const ofPool: OptionKinds.Kinds = {
  hangTimeout: OptionKinds.time,
  processes: OptionKinds.count,
  recycleAfter: OptionKinds.record,
  spare: OptionKinds.flag
}

const ofConnect: OptionKinds.Kinds = {
  allowInsecure: OptionKinds.flag,
  connectTimeout: OptionKinds.time,
  headers: OptionKinds.environment,
  token: OptionKinds.either(OptionKinds.text, OptionKinds.callback),
  unixSocket: OptionKinds.either(OptionKinds.text, { expected: "true", fits: (u) => u === true }),
  url: OptionKinds.text
}

const checked = Effect.fnUntraced(function*(options: CodexOptions) {
  yield* OptionKinds.check(options, OptionKinds.none)
  yield* OptionKinds.check(Budget.withBudget(options), ofCodex)
  const { connect, hooks, pool, restart } = options
  yield* OptionKinds.check(hooks, CodexHooks.kinds)
  if (typeof restart === "object") yield* OptionKinds.check(restart, ofRestart)
  yield* OptionKinds.check(pool, ofPool)
  yield* OptionKinds.check(pool?.recycleAfter, { age: OptionKinds.time, threads: OptionKinds.count })
  if (connect !== undefined && pool !== undefined) {
    yield* new InvalidArgument({ argument: "pool", detail: "pass `pool` or `connect`, not both." })
  }
  yield* OptionKinds.check(connect, ofConnect)
  if (connect !== undefined && !("url" in connect) && !("unixSocket" in connect)) {
    yield* new InvalidArgument({ argument: "connect", detail: "pass `url` or `unixSocket`." })
  }
})

const words = (u: unknown): string =>
  typeof u === "string" ? u : u instanceof Error ? u.message : JSON.stringify(u) ?? String(u)

const log = (within: Within, onLog: (entry: LogEntry) => void) =>
  Logger.layer([
    Logger.make(({ cause, date, logLevel, message }) => {
      const said = (Array.isArray(message) ? message : [message]).map(words)
      const causes = cause.reasons.map((reason) =>
        reason._tag === "Fail" ? words(reason.error) : reason._tag === "Die" ? words(reason.defect) : "interrupted"
      )
      within(() => onLog({ level: logLevel, message: [...said, ...causes].join(" "), date }))
    })
  ])

const token = (within: Within, url: string, given: NonNullable<WebSocketConnection["token"]>) =>
  typeof given === "string"
    ? Redacted.make(given)
    : Effect.tryPromise({
      try: async () => {
        const token: unknown = await within(given)
        if (typeof token !== "string") throw new TypeError("the function did not return a string.")
        return Redacted.make(token)
      },
      catch: (error) => new AppServerConnectError({ reason: "token", address: url, detail: words(error) })
    })

/** A private option: the process does not keep the program alive. */
export const inBackground: unique symbol = Symbol("@effect-codex/promise/inBackground")

/** The client that the options describe. Building it fails if an option is invalid. */
export const layer = (
  options: CodexOptions & { readonly [inBackground]?: true }
): Layer.Layer<Services, unknown> => {
  const within = current()
  return Layer.unwrap(Effect.gen(function*() {
    yield* checked(options)
    const {
      apiKey,
      chatgptTokens,
      connect,
      handlers,
      handlerTimeout,
      hooks,
      onLog,
      pool,
      pricing,
      requestTimeout,
      restart,
      ...rest
    } = Budget.withBudget(options)
    if (apiKey !== undefined && chatgptTokens !== undefined) {
      return yield* new InvalidArgument({ argument: "apiKey", detail: "pass `apiKey` or `chatgptTokens`, not both." })
    }
    const given = {
      ...rest,
      credentialsStore: rest.credentialsStore ?? (apiKey === undefined ? undefined : "ephemeral" as const),
      restart: restart === undefined || restart === false ? undefined : schedule(restart === true ? {} : restart)
    }
    const client: Layer.Layer<Services, unknown> = pool !== undefined
      ? CodexPool.layer({ ...given, ...pool })
      : connect === undefined
      ? options[inBackground] === true ? Background.layer(CodexNode.layer(given)) : CodexNode.layer(given)
      : "url" in connect
      ? CodexNode.layerWebSocket({
        ...given,
        ...connect,
        headers: connect.headers,
        token: connect.token === undefined ? undefined : token(within, connect.url, connect.token)
      })
      : CodexNode.layerUnixSocket({
        ...given,
        connectTimeout: connect.connectTimeout,
        path: connect.unixSocket === true ? undefined : connect.unixSocket
      })
    const tokens = chatgptTokens && fromAsync(within)(chatgptTokens)
    const login = apiKey !== undefined
      ? Auth.layerApiKey(Config.succeed(Redacted.make(apiKey)))
      : tokens === undefined
      ? undefined
      : Auth.layerExternalTokens((request) =>
        Effect.flatMap(
          tokens(request),
          (tokens) =>
            Predicate.hasProperty(tokens, "accessToken") && typeof tokens.accessToken === "string"
              ? Effect.succeed({ ...tokens, accessToken: Redacted.make(tokens.accessToken) })
              // Without the returned value, which may contain a secret.
              : Effect.fail(new TypeError("chatgptTokens did not return { accessToken }."))
        )
      )
    return (login === undefined ? client : Layer.provideMerge(login, client)).pipe(
      Layer.provideMerge(Layer.mergeAll(
        ServerRequests.layer(
          handlers === undefined ? {} : yield* Effect.provideService(overrides(handlers), CallerContext, within)
        ),
        hooks === undefined ? Layer.empty : CodexHooks.layer(within, hooks),
        pricing === undefined ? Layer.empty : Budget.pricing(within, pricing),
        handlerTimeout === undefined ? Layer.empty : Layer.succeed(ServerRequests.HandlerTimeout, handlerTimeout),
        requestTimeout === undefined
          ? Layer.empty
          : Layer.succeed(AppServerRpc.DefaultRequestTimeout, requestTimeout),
        onLog === undefined ? Layer.succeed(Logger.LogToStderr, true) : log(within, onLog)
      ))
    )
  }))
}
