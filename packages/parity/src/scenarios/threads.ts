import { ApprovalMode, Approvals, Codex, Sandbox } from "@effect-codex/client"
import { ScriptedModel } from "@effect-codex/testing"
import { Effect, Option, Schedule, Stream } from "effect"
import * as Fs from "node:fs"
import type { Steps } from "../scenario.ts"
import { scenario } from "../scenario.ts"

const unknown = "00000000-0000-7000-8000-000000000000"

const startThread = Effect.flatMap(Codex.Codex, (codex) => codex.startThread())

const ran = Effect.fnUntraced(function*(t: Steps, step: string) {
  const thread = yield* startThread
  yield* t.run(step, thread, "Say hello.")
  return thread
})

const ids = (threads: ReadonlyArray<object>): ReadonlyArray<unknown> =>
  threads.map((thread) => "id" in thread ? thread.id : undefined)

const previews = (threads: ReadonlyArray<object>): ReadonlyArray<unknown> =>
  threads.map((thread) => "preview" in thread ? thread.preview : undefined)

const escalated = ScriptedModel.exec("echo written > written.txt", {
  callId: "call-1",
  args: { sandbox_permissions: "require_escalated", justification: "May I?" }
})

const settings = (t: Steps) => ({
  approvalMode: ApprovalMode.denyAll,
  baseInstructions: "Be brief.",
  config: { model_reasoning_summary: "detailed" },
  cwd: t.workspace,
  model: "gpt-5.4",
  modelProvider: "scripted",
  sandbox: Sandbox.readOnly,
  serviceTier: "flex"
})

export const threads = [
  scenario("resume", "Resume a thread in another process", {}, (t) =>
    Effect.gen(function*() {
      const { id } = yield* t.codex()(ran(t, "before"))
      yield* t.codex()(Effect.gen(function*() {
        const resumed = yield* (yield* Codex.Codex).resumeThread(id)
        t.result("id", resumed.id)
        yield* t.run("after", resumed, "Continue where we left off.")
      }))
    })),

  scenario("resume-options", "Every option of resuming", {}, (t) =>
    Effect.gen(function*() {
      const { id } = yield* t.codex()(ran(t, "before"))
      yield* t.codex()(Effect.gen(function*() {
        const resumed = yield* (yield* Codex.Codex).resumeThread(id, { ...settings(t), personality: "friendly" })
        yield* t.run("after", resumed, "Continue where we left off.")
      }))
    })),

  scenario("settings-not-applied", "Settings that codex drops", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const dropped = { developerInstructions: "Use metric units.", serviceTier: "priority" }
      yield* t.fails("start", Effect.asVoid(codex.startThread({ serviceTier: "priority" })))
      const { id } = yield* ran(t, "source")
      yield* t.fails("fork", Effect.asVoid(codex.forkThread(id, dropped)))
      yield* t.fails("resume", Effect.asVoid(codex.resumeThread(id, dropped)))
    }))),

  scenario("resume-loaded", "Resume a loaded thread with another sandbox", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const { id } = yield* ran(t, "before")
      const resumed = yield* (yield* Codex.Codex).resumeThread(id, { sandbox: Sandbox.fullAccess })
      yield* t.run("after", resumed, "Again.")
    }))),

  scenario("fork", "Fork a thread", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const { id } = yield* ran(t, "source")
      const forked = yield* (yield* Codex.Codex).forkThread(id)
      t.result("id", forked.id)
      yield* t.run("fork", forked, "Another way.")
    }))),

  scenario("fork-options", "Every option of forking", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const { id } = yield* ran(t, "source")
      const options = { ...settings(t), ephemeral: true, threadSource: "user" } as const
      yield* t.run("fork", yield* (yield* Codex.Codex).forkThread(id, options), "Another way.")
    }))),

  scenario("archive", "Archive a thread, and restore it", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const archived = Effect.map(codex.listThreadsPage({ archived: true }), ({ data }) => ids(data))
      const { id } = yield* ran(t, "run")
      yield* codex.archiveThread(id)
      t.result("archived", yield* archived)
      const restored = yield* codex.unarchiveThread(id)
      t.result("restored", restored.id)
      t.result("archived again", yield* archived)
    }))),

  scenario("name", "Name a thread", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* ran(t, "run")
      yield* thread.setName("Greetings")
      t.result("read", yield* thread.read())
    }))),

  scenario("read", "Read a thread, with and without its turns", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* ran(t, "run")
      t.result("without turns", yield* thread.read())
      t.result("with turns", yield* thread.read({ includeTurns: true }))
    }))),

  scenario("list-threads", "List threads, with every filter", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      yield* ran(t, "run")
      const codex = yield* Codex.Codex
      t.result("all", yield* Stream.runCollect(codex.listThreads()))
      const filtered = yield* codex.listThreadsPage({
        archived: false,
        cwd: t.workspace,
        modelProviders: ["scripted"],
        searchTerm: "hello",
        sortDirection: "asc",
        sortKey: "created_at",
        sourceKinds: ["vscode"],
        useStateDbOnly: true
      })
      t.result("filtered", ids(filtered.data))
    }))),

  scenario("list-section", "List the threads of a section", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      t.result("section", (yield* (yield* Codex.Codex).listThreadsPage({ sectionId: unknown })).data)
    }))),

  scenario("list-pages", "List threads page by page", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      for (const n of [0, 1, 2]) yield* t.run(`run ${n}`, yield* startThread, `Say ${n}.`)
      const first = yield* codex.listThreadsPage({ pageSize: 2 })
      t.result("first", previews(first.data))
      const second = yield* codex.listThreadsPage({ pageSize: 2, cursor: Option.getOrUndefined(first.nextCursor) })
      t.result("second", previews(second.data))
      t.result("is last", Option.isNone(second.nextCursor))
    }))),

  scenario("models", "List the models", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      t.result("models", yield* codex.models())
      t.result("hidden", ids(yield* codex.models({ includeHidden: true })))
    }))),

  scenario(
    "compact",
    "Compact a thread",
    { answers: () => ["Hello!", "A summary.", "Again."] },
    (t) =>
      t.codex()(Effect.gen(function*() {
        const thread = yield* ran(t, "before")
        yield* Effect.scoped(Effect.flatMap(thread.compact(), (turn) => turn.result))
        const turns = yield* Effect.map(thread.read({ includeTurns: true }), ({ turns }) => turns).pipe(
          Effect.repeat({ until: ({ length }) => length === 2, schedule: Schedule.spaced("50 millis") })
        )
        t.result(
          "compaction",
          turns.flatMap((turn, i) => i === 1 && "items" in turn ? turn.items?.map((item) => item.type) ?? [] : [])
        )
        yield* t.run("after", thread, "And again.")
      }))
  ),

  scenario("approved", "Codex asks, and the program accepts", {
    answers: () => ["Hello!", [escalated], "Done."]
  }, (t) =>
    Effect.gen(function*() {
      const { id } = yield* t.codex()(ran(t, "before"))
      yield* t.codex()(Effect.gen(function*() {
        const config = { approvals_reviewer: "user" }
        const forked = yield* (yield* Codex.Codex).forkThread(id, { config, handlers: Approvals.acceptAll })
        yield* t.run("run", forked, "Write a file.")
      }))
      t.result("is written", Fs.existsSync(`${t.workspace}/written.txt`))
    })),

  scenario("asked-for-approval", "Codex asks the client whether to run a command", {
    answers: () => ["Hello!", [escalated], "Done."]
  }, (t) =>
    Effect.gen(function*() {
      const { id } = yield* t.codex()(ran(t, "before"))
      yield* t.codex()(Effect.gen(function*() {
        const forked = yield* (yield* Codex.Codex).forkThread(id, { config: { approvals_reviewer: "user" } })
        yield* t.run("run", forked, "Write a file.")
      }))
      t.result("is written", Fs.existsSync(`${t.workspace}/written.txt`))
    }))
]

export { unknown }
