// A login in the browser, begun and cancelled, and what the account is. The protocol's requests, since there is no service
// for accounts yet.
import { AppServerRpc } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Fiber, Option, Stream } from "effect"

const program = Effect.gen(function*() {
  const rpc = yield* AppServerRpc.AppServerRpc

  // Listening begins before the login does, so that its end cannot be missed.
  const ended = yield* rpc.notifications.pipe(
    Stream.filter((event) => event._tag === "account/login/completed"),
    Stream.runHead,
    Effect.forkScoped({ startImmediately: true })
  )
  const login = yield* rpc.request("account/login/start", { type: "chatgpt" })
  if (login.type === "chatgpt") {
    yield* Console.log(`open ${new URL(login.authUrl).origin} to log in`)
    const { status } = yield* rpc.request("account/login/cancel", { loginId: login.loginId })
    yield* Console.log(`cancel: ${status}`)
  }
  const completed = yield* Fiber.join(ended)
  yield* Console.log(Option.isSome(completed) && completed.value.params.success ? "logged in" : "not logged in")

  const { account } = yield* rpc.request("account/read", { refreshToken: false })
  yield* Console.log(account === null ? "no account" : `account: ${account.type}`)
})

program.pipe(Effect.scoped, Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
