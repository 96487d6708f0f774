/** `effect-codex watch` beside another client of the same app-server. */
import { ApprovalMode, ApprovalQueue, Codex, Questions, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as Servers from "@effect-codex/test-support/servers"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Option } from "effect"
import { existsSync } from "node:fs"
import { get, request } from "node:http"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"

/** Follows the page, as the browser does, until it has a text. Gives what came. */
const until = (url: URL, part: string) =>
  Effect.callback<string, Error>((resume) => {
    let all = ""
    const sent = get(new URL("events", url), { agent: false }, (response) => {
      response.setEncoding("utf8").on("data", (chunk: string) => {
        all += chunk
        if (all.includes(part)) resume(Effect.succeed(all))
      }).on("error", () => {})
    })
    sent.on("error", (error) => resume(Effect.fail(error)))
    return Effect.sync(() => sent.destroy())
  }).pipe(Effect.timeout("15 seconds"))

const decide = (url: URL, id: string, decision: string) =>
  Effect.callback<number | undefined>((resume) => {
    request(new URL("decide", url), {
      method: "POST",
      agent: false,
      headers: { "content-type": "application/json", origin: url.origin }
    }, (response) => {
      response.resume()
      resume(Effect.succeed(response.statusCode))
    }).end(JSON.stringify({ id, decision }))
  })

const layer = CodexHome.layer({ config: { features: { default_mode_request_user_input: true } } }).pipe(
  Layer.provideMerge(ScriptedModel.layer())
)

const touch = ScriptedModel.exec("touch made", {
  args: { sandbox_permissions: "require_escalated", justification: "It has to be made." }
})

describe("effect-codex watch", () => {
  it.live("shows what another client's thread does, and its approval is decided on the page", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const model = yield* ScriptedModel.ScriptedModel
      const { workspace } = yield* CodexHome.CodexHome
      const server = yield* Servers.onTcp()
      const services = yield* Layer.build(
        CodexNode.layerWebSocket({ url: server.url }).pipe(Layer.provideMerge(ApprovalQueue.layer))
      )
      const codex = Context.get(services, Codex.Codex)
      const watch = yield* Cli.start(["watch", "--connect", server.url], { home, stdin: null })
      const url = new URL((yield* watch.stdoutHas("\n")).trim())
      assert.match(url.href, /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{64}\/$/)
      assert.include(yield* watch.stderrHas("Ctrl-C"), "decides approvals")

      const thread = yield* codex.startThread({ approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly })
      yield* thread.setName("Make a file")
      yield* model.enqueue(touch, "It is made.")
      const running = yield* Effect.forkScoped(thread.run("Make it."), { startImmediately: true })
      const seen = yield* until(url, "data-offer")
      assert.include(seen, "touch made")
      assert.include(seen, "Make a file")
      const [, id = ""] = /data-offer=\\"([^"\\]+)/.exec(seen) ?? []
      assert.strictEqual(yield* decide(url, id, "accept"), 204)
      assert.strictEqual((yield* Fiber.join(running)).status, "completed")
      assert.isTrue(existsSync(join(workspace, "made")))
      yield* until(url, "It is made.")

      // It goes, and the other client stays.
      yield* watch.signal("SIGINT")
      assert.strictEqual((yield* watch.ended).code, 130)
      yield* model.enqueue("Still here.")
      const last = yield* thread.run("Are you?")
      assert.strictEqual(Option.getOrThrow(last.finalResponse), "Still here.")
    }).pipe(Effect.provide(layer), Cli.live))

  it.live("leaves questions to the client that works on the thread", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const model = yield* ScriptedModel.ScriptedModel
      const server = yield* Servers.onTcp()
      const seen = yield* Deferred.make<void>()
      const services = yield* Layer.build(
        CodexNode.layerWebSocket({ url: server.url }).pipe(
          // Answers when the page has been asked too.
          Layer.provide(Questions.layer(() => Effect.as(Deferred.await(seen), { colour: "blue" })))
        )
      )
      const thread = yield* Context.get(services, Codex.Codex).startThread()
      yield* model.enqueue("Hello.")
      yield* thread.run("Hello.")
      const watch = yield* Cli.start(["watch", "--connect", server.url], { home, stdin: null })
      const url = new URL((yield* watch.stdoutHas("\n")).trim())
      yield* model.enqueue(
        ScriptedModel.functionCall("request_user_input", {
          questions: [{
            id: "colour",
            header: "Colour",
            question: "Which colour?",
            options: [{ label: "red", description: "Red." }, { label: "blue", description: "Blue." }]
          }]
        }),
        "It is blue."
      )
      const running = yield* Effect.forkScoped(thread.run("Ask me."), { startImmediately: true })
      yield* until(url, "waits for an answer")
      yield* Deferred.succeed(seen, undefined)
      assert.strictEqual(Option.getOrThrow((yield* Fiber.join(running)).finalResponse), "It is blue.")
      const requests = yield* model.requests
      assert.include(JSON.stringify(requests.at(-1)), "blue")
    }).pipe(Effect.provide(layer), Cli.live))

  it.live("starts nothing without an app-server, or for an address that is none", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const wrong = yield* Cli.run(["watch", "--connect", "http://127.0.0.1:1"], { home })
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.stderr, "--connect")
      const none = yield* Cli.run(["watch"], { home })
      assert.strictEqual(none.code, 1)
      assert.include(none.stderr, "error: ")
      assert.strictEqual(none.stdout, "")
      assert.deepStrictEqual(Cli.files(home), [])
    }).pipe(Cli.live))
})
