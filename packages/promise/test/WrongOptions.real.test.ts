/** An option of another type, as a program in JavaScript can give it, rejects with the option's name, and nothing crashes. */
import { Codex, InvalidArgument, type Thread, tool, toolNamespace } from "@effect-codex/promise"
import { assert, describe, it } from "@effect/vitest"
import { real, rejection } from "./support/real.ts"

/** What only a program in JavaScript can give. */
const wrong = (value: unknown): never => value as never

const refused = async (name: string, argument: string | RegExp, call: () => Promise<unknown>) => {
  // A call that throws on the spot would fail this test.
  const error = await rejection(call())
  assert.instanceOf(error, InvalidArgument, `${name}: ${String(error)}`)
  if (typeof argument === "string") assert.strictEqual(error.argument, argument, name)
  else assert.match(error.message, argument, name)
}

describe("an option of a wrong type", () => {
  it.each([
    [5, "options"],
    [{ args: "x" }, "args"],
    [{ env: { A: 5 } }, "env"],
    [{ executable: 5 }, "executable"],
    [{ shutdownGrace: "x" }, "shutdownGrace"],
    [{ stderrLines: "x" }, "stderrLines"],
    [{ maxFrameBytes: "x" }, "maxFrameBytes"],
    [{ configOverrides: 5 }, "configOverrides"],
    [{ credentialsStore: "x" }, "credentialsStore"],
    [{ clientInfo: 5 }, "clientInfo"],
    [{ maxInFlight: 0 }, "maxInFlight"],
    [{ requestTimeout: "x" }, "requestTimeout"],
    [{ handlerTimeout: "x" }, "handlerTimeout"],
    [{ initializeTimeout: "x" }, "initializeTimeout"],
    [{ stallTimeout: "x" }, "stallTimeout"],
    [{ stopGrace: "x" }, "stopGrace"],
    [{ checkLogin: "x" }, "checkLogin"],
    [{ maxLoadedThreads: 0 }, "maxLoadedThreads"],
    [{ checkFiles: 5 }, "checkFiles"],
    [{ apiKey: 5 }, "apiKey"],
    [{ chatgptTokens: 5 }, "chatgptTokens"],
    [{ onLog: 5 }, "onLog"],
    [{ handlers: 5 }, "handlers"],
    [{ handlers: { approvals: 5 } }, "handlers"],
    [{ handlers: { approvals: { command: 5 } } }, "handlers"],
    [{ handlers: { elicitation: 5 } }, "handlers"],
    [{ handlers: { requests: { "item/tool/call": 5 } } }, "handlers"],
    [{ hooks: 5 }, "hooks"],
    [{ hooks: { preToolUse: 5 } }, "preToolUse"],
    [{ hooks: { timeout: "x" } }, "timeout"],
    [{ pool: 5 }, "pool"],
    [{ pool: { processes: 0 } }, "processes"],
    [{ pool: { spare: "x" } }, "spare"],
    [{ pool: { hangTimeout: "x" } }, "hangTimeout"],
    [{ pool: { recycleAfter: { threads: 0 } } }, "threads"],
    [{ pool: {}, connect: { url: "ws://127.0.0.1:1" } }, "pool"],
    [{ restart: "x" }, "restart"],
    [{ restart: { attempts: "x" } }, "attempts"],
    [{ connect: "x" }, "connect"],
    [{ connect: {} }, "connect"],
    [{ connect: { url: 5 } }, "url"],
    [{ connect: { unixSocket: 5 } }, "unixSocket"],
    [{ connect: { url: "ws://127.0.0.1:1", token: 5 } }, "token"]
  ])("of a client, %j, rejects its start", async (options, argument) => {
    await refused(JSON.stringify(options), argument, () => Codex.start(wrong(options)))
  })

  real("of a call rejects it", async ({ codex }) => {
    const thread: Thread = await codex.startThread()
    for (
      const [options, argument] of [
        [5, "options"],
        [{ tools: [1] }, "tools"],
        [{ tools: 5 }, "tools"],
        [{ tools: [toolNamespace("n", "d", wrong(5))] }, "tools"],
        [{ tools: [tool(wrong(5), wrong({ description: 5 }))] }, "tools"],
        [{ handlers: 5 }, "handlers"],
        [{ handlers: { questions: 5 } }, "handlers"],
        [{ stallTimeout: "x" }, "stallTimeout"],
        [{ approvalMode: "foo" }, "approvalMode"],
        [{ sandbox: "read-only" }, "sandbox"],
        [{ cwd: 5 }, "cwd"],
        [{ signal: 5 }, "signal"]
      ] as const
    ) {
      const given = wrong(options)
      await refused("startThread", argument, () => codex.startThread(given))
      await refused("resumeThread", argument, () => codex.resumeThread(thread.id, given))
      await refused("forkThread", argument, () => codex.forkThread(thread.id, given))
      await refused("fork", argument, () => thread.fork(given))
      if (argument === "tools") continue
      await refused("run", argument, () => thread.run("go", given))
      await refused("turn", argument, () => thread.turn("go", given))
    }
    await refused("run", "input", () => thread.run(wrong(5)))
    await refused("run", "output", () => thread.run("go", { output: wrong(5) }))
    await refused("run", "whenBusy", () => thread.run("go", { whenBusy: wrong("x") }))
    await refused("updateSettings", "options", () => thread.updateSettings(wrong(undefined)))
    await refused("updateSettings", "options", () => thread.updateSettings(wrong(5)))
    await refused("updateSettings", "sandbox", () => thread.updateSettings({ sandbox: wrong("x") }))
    for (const options of [undefined, null, 5]) {
      await refused("updateMetadata", "options", () => thread.updateMetadata(wrong(options)))
    }
    await refused("loginChatgpt", "options", () => codex.auth.loginChatgpt(wrong(5)))
    await refused("searchThreads", "options", async () => {
      for await (const _ of codex.searchThreads("x", wrong(5))) { /* nothing comes */ }
    })
    await refused("review", /whenBusy/, () => thread.review({ type: "uncommittedChanges" }, { whenBusy: wrong("x") }))
    await refused("review", /params of review/, () => thread.review(wrong(5)))
    await refused("startGoal", "objective", () => thread.startGoal(wrong(5)))
    await refused("startGoal", "tokenBudget", () => thread.startGoal("go", { tokenBudget: wrong("x") }))
    await refused("inject", "items", () => thread.inject(wrong(5)))
    await refused("models", "options", () => codex.models(wrong(5)))
    await refused("models", /includeHidden/, () => codex.models({ includeHidden: wrong(5) }))
    await refused("listThreadsPage", "options", () => codex.listThreadsPage(wrong(5)))
    await refused("listThreads", "options", async () => {
      for await (const _ of codex.listThreads(wrong(5))) { /* nothing comes */ }
    })
    await refused("request", "timeout", () => codex.request("model/list", {}, { timeout: wrong("x") }))
  })
})
