// A login in the browser, begun and given up, and what the account is.
import { Auth } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"

const program = Effect.gen(function*() {
  const auth = yield* Auth.Auth

  const login = yield* auth.loginChatgpt()
  yield* Console.log(`open ${new URL(login.url).origin} to log in`)
  // A program that wants the login waits for it, and need not cancel: the end of the scope does.
  yield* login.cancel
  const { message } = yield* Effect.flip(login.wait)
  yield* Console.log(message)

  const { account } = yield* auth.account()
  yield* Console.log(account === null ? "no account" : `account: ${account.type}`)
})

program.pipe(Effect.scoped, Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
