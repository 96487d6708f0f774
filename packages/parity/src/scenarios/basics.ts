import { ApprovalMode, Codex, Sandbox } from "@effect-codex/client"
import { Effect } from "effect"
import type { Steps } from "../scenario.ts"
import { scenario } from "../scenario.ts"

const metadata = (t: Steps) =>
  Effect.map(Codex.Codex, ({ serverInfo }) =>
    t.result("metadata", {
      serverInfo: { name: "codex", version: serverInfo.version },
      userAgent: serverInfo.userAgent,
      platformFamily: serverInfo.platformFamily,
      platformOs: serverInfo.platformOs
    }))

const hello = (t: Steps) =>
  Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const thread = yield* codex.startThread()
    yield* t.run("run", thread, "Say hello.")
  })

export const basics = [
  scenario("metadata", "What the server says about itself", {}, (t) => t.codex()(metadata(t))),

  scenario(
    "identity",
    "A client with a name of its own",
    {},
    (t) => t.codex({ clientInfo: { name: "parity", title: "Parity", version: "1.2.3" } })(metadata(t))
  ),

  scenario("stable-api", "Without the experimental API", {}, (t) => t.codex({ experimentalApi: false })(hello(t))),

  scenario(
    "launch",
    "Arguments and environment of the process",
    {},
    (t) => t.codex({ args: ["-c", "model=\"launched\"", "app-server"], env: { PARITY: "1" } })(hello(t))
  ),

  scenario(
    "config-overrides",
    "Configuration on the command line",
    {},
    (t) => t.codex({ configOverrides: ["model=\"overridden\"", "model_context_window=64000"] })(hello(t))
  ),

  scenario("first-turn", "Start a thread and run a turn", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread({
        model: "gpt-5.4",
        config: { model_reasoning_effort: "high" },
        sandbox: Sandbox.workspaceWrite
      })
      t.result("thread", thread.id)
      yield* t.run("run", thread, "Say hello in one sentence.")
    }))),

  scenario(
    "two-turns",
    "Two turns on a thread",
    { answers: () => ["Two bullets.", "In Python terms."] },
    (t) =>
      t.codex()(Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const thread = yield* codex.startThread()
        yield* t.run("first", thread, "Summarize Rust ownership in 2 bullets.")
        yield* t.run("second", thread, "Now explain it to a Python developer.")
      }))
  ),

  scenario(
    "no-usage",
    "A model that does not tell its tokens",
    { usage: false },
    (t) =>
      t.codex()(Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const thread = yield* codex.startThread()
        yield* t.run("first", thread, "Say hello.")
        yield* t.run("second", thread, "Again.")
      }))
  ),

  scenario("thread-options", "Every option of a new thread", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread({
        approvalMode: ApprovalMode.denyAll,
        baseInstructions: "Be brief.",
        config: { model_reasoning_summary: "detailed" },
        cwd: t.workspace,
        developerInstructions: "Use metric units.",
        ephemeral: true,
        model: "gpt-5.4",
        modelProvider: "scripted",
        personality: "friendly",
        sandbox: Sandbox.readOnly,
        serviceName: "parity",
        serviceTier: "flex",
        sessionStartSource: "clear",
        threadSource: "user"
      })
      yield* t.run("run", thread, "Say hello.")
    }))),

  scenario("turn-options", "Every option of a turn", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      yield* t.run("run", thread, "Say hello.", {
        approvalMode: ApprovalMode.denyAll,
        cwd: t.workspace,
        effort: "high",
        model: "gpt-5.4",
        sandbox: Sandbox.readOnly,
        serviceTier: "flex",
        summary: "concise"
      })
    }))),

  scenario("turn-personality", "The personality of a turn", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      yield* t.run("run", thread, "Say hello.")
      t.turn("handle", yield* (yield* thread.turn("Again.")).result)
    }))),

  scenario("turn-source", "What initiated a turn", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      yield* t.run("run", thread, "Say hello.", { source: "schedule" })
      t.turn("handle", yield* (yield* thread.turn("Again.", { source: "schedule" })).result)
    }))),

  scenario("turn-service-tier", "A service tier for one turn", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      yield* t.run("run", thread, "Say hello.", { serviceTierForTurn: "flex" })
      t.turn("handle", yield* (yield* thread.turn("Again.", { serviceTierForTurn: "flex" })).result)
    }))),

  scenario("sandboxes", "Every sandbox, of a thread and of a turn", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const all = [Sandbox.readOnly, Sandbox.workspaceWrite, Sandbox.fullAccess]
      for (const sandbox of all) {
        yield* t.run(`thread ${nameOf(sandbox)}`, yield* codex.startThread({ sandbox }), "Say hello.")
      }
      const thread = yield* codex.startThread({ sandbox: Sandbox.workspaceWrite })
      for (const sandbox of all) yield* t.run(`turn ${nameOf(sandbox)}`, thread, "Say hello.", { sandbox })
    }))),

  scenario(
    "approval-modes",
    "Every approval mode, of a thread and of a turn",
    {},
    (t) =>
      t.codex()(Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const all = { deny_all: ApprovalMode.denyAll, auto_review: ApprovalMode.autoReview }
        let last = yield* codex.startThread({ approvalMode: all.deny_all })
        yield* t.run("thread deny_all", last, "Say hello.")
        last = yield* codex.startThread({ approvalMode: all.auto_review })
        yield* t.run("thread auto_review", last, "Say hello.")
        for (const [name, approvalMode] of Object.entries(all)) {
          yield* t.run(`turn ${name}`, last, "Say hello.", { approvalMode })
        }
      }))
  )
]

const nameOf = (sandbox: Sandbox.Sandbox): string =>
  sandbox.mode === "danger-full-access" ? "full-access" : sandbox.mode
