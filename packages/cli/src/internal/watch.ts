/** Serves a page of the threads of an app-server that runs elsewhere, with all that its clients do. */
import * as ApprovalQueue from "@effect-codex/client/ApprovalQueue"
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as ServerRequests from "@effect-codex/client/ServerRequests"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Watch from "@effect-codex/report/Watch"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as OpenBrowser from "./openBrowser.ts"
import * as RunOptions from "./runOptions.ts"
import { Screen } from "./screen.ts"
import { version } from "./version.ts"

export interface Options {
  readonly connect: string
  readonly port: Option.Option<number>
  readonly prices: Option.Option<string>
  readonly open: boolean
}

/** For ever, because the server may be started again. */
const restart = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")])

const clientInfo = { name: "effect_codex_cli", title: "effect-codex", version }

const clientOf = Effect.fnUntraced(function*(address: string) {
  const options = { clientInfo, restart }
  const socket = /^unix:(?:\/\/)?(.*)$/.exec(address)
  if (socket !== null) {
    const [, path] = socket
    return CodexNode.layerUnixSocket({ ...options, ...path !== "" && { path } })
  }
  if (!/^wss?:\/\//.test(address)) {
    return yield* new InvalidArgument({
      argument: "--connect",
      detail:
        "it is no address of an app-server. Write ws://HOST:PORT, wss://…, unix:PATH, or unix: for codex's own socket."
    })
  }
  const token = yield* Config.option(Config.Redacted("CODEX_TOKEN"))
  return CodexNode.layerWebSocket({ ...options, url: address, token: Option.getOrUndefined(token) })
})

export const watch = Effect.fnUntraced(function*({ connect, open, port, prices }: Options) {
  const { answer, line } = yield* Screen
  const client = yield* clientOf(connect)
  const price = yield* RunOptions.pricesOf(prices)
  const page = Watch.layer({
    others: true,
    port: Option.getOrUndefined(port),
    price: Option.getOrUndefined(price)
  }).pipe(
    Layer.provide(client),
    Layer.provide(ApprovalQueue.layer),
    // Whoever started a turn decides how long it may wait.
    Layer.provide(Layer.succeed(ServerRequests.HandlerTimeout, Duration.infinity))
  )
  yield* Effect.gen(function*() {
    const { url } = yield* Watch.Watch
    yield* answer(`${Redacted.value(url)}\n`)
    yield* line("Whoever has this address sees the threads and decides approvals. End with Ctrl-C.")
    if (open) yield* OpenBrowser.open(url)
    yield* Effect.never
  }).pipe(Effect.provide(page))
}, Effect.scoped)
