/** Hooks of this program, run by the real codex binary. */
import {
  ApprovalMode,
  AppServer,
  AppServerRpc,
  Codex,
  CodexError,
  DynamicTools,
  Sandbox,
  type Thread
} from "@effect-codex/client"
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { mcpServer } from "@effect-codex/test-support/files"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, describe, it, vi } from "@effect/vitest"
import {
  Context,
  Deferred,
  Effect,
  Fiber,
  Latch,
  Layer,
  Logger,
  Option,
  Ref,
  Schedule,
  Schema,
  type Scope,
  Stream
} from "effect"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import { join } from "node:path"
import { CodexNode, Hooks } from "../src/index.ts"
import { tree } from "./support/files.ts"

// =============================================================================
// Support
// =============================================================================

/** A thread of a codex with these hooks. */
const withHooks = <const H extends Hooks.Handlers>(
  handlers: H,
  test: (services: {
    readonly thread: Thread.Thread
    readonly codex: Codex.Codex["Service"]
    readonly model: ScriptedModel.ScriptedModel["Service"]
    readonly rpc: AppServerRpc.AppServerRpc["Service"]
    readonly home: CodexHome.CodexHome["Service"]
    readonly warnings: Ref.Ref<ReadonlyArray<string>>
  }) => Effect.Effect<void, unknown, Scope.Scope>,
  options?: Hooks.Options & Pick<CodexHome.Options, "config"> & Pick<ScriptedModel.Options, "answer">
) =>
  Effect.gen(function*() {
    const warnings = yield* Ref.make<ReadonlyArray<string>>([])
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") Effect.runSync(Ref.update(warnings, (all) => [...all, String(message)]))
    })
    const home = yield* CodexHome.CodexHome
    const client = yield* Layer.build(
      CodexNode.layer({ cwd: home.workspace, env: home.env }).pipe(
        Layer.provide(Hooks.layer(handlers, options)),
        Layer.provide(Logger.layer([logger]))
      )
    )
    const codex = Context.get(client, Codex.Codex)
    const rpc = Context.get(client, AppServerRpc.AppServerRpc)
    const model = yield* ScriptedModel.ScriptedModel
    const thread = yield* codex.startThread({ cwd: home.workspace, sandbox: Sandbox.fullAccess })
    yield* test({ thread, codex, rpc, model, home, warnings })
  }).pipe(
    Effect.scoped,
    Effect.provide([
      CodexHome.layer({ config: options?.config }).pipe(
        Layer.provideMerge(ScriptedModel.layer({ answer: options?.answer }))
      ),
      Logger.layer([])
    ])
  )

/** Answers the handshake, and knows of no hook. */
const forgetful = `
import { createInterface } from "node:readline"
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method } = JSON.parse(line)
  if (id === undefined) return
  const started = { userAgent: "x/${codexVersion}", codexHome: "/", platformFamily: "unix", platformOs: "linux" }
  const result = method === "initialize" ? started : { data: [{ cwd: "/", hooks: [], warnings: [], errors: [] }] }
  process.stdout.write(JSON.stringify({ id, result }) + "\\n")
})
`

/** What a socket answers to a text. */
const exchange = (path: string, text: string) =>
  new Promise<string>((resolve) => {
    let answer = ""
    Net.connect({ path, allowHalfOpen: true })
      .setEncoding("utf8")
      .on("data", (chunk: string) => answer += chunk)
      .on("error", () => {})
      .on("close", () => resolve(answer))
      .on("end", function(this: Net.Socket) {
        this.destroy()
      })
      .end(text)
  })

const { exec } = ScriptedModel

const outputs = (model: ScriptedModel.ScriptedModel["Service"]) =>
  Effect.map(
    model.requests,
    (requests) => requests.flatMap(({ toolOutputs }) => toolOutputs.map(({ output }) => output))
  )

const kinds = (result: { readonly items: ReadonlyArray<{ readonly type: string }> }) =>
  result.items.map(({ type }) => type)

// Apart from those of tests that run beside this file.
const runtimeFolder = mkdtempSync(join(Os.homedir(), ".effect-codex-node-"))
vi.stubEnv("XDG_RUNTIME_DIR", runtimeFolder)

afterAll(() => {
  vi.unstubAllEnvs()
  const left = readdirSync(runtimeFolder)
  rmSync(runtimeFolder, { recursive: true })
  assert.deepStrictEqual(left, [])
})

const folders = () => readdirSync(runtimeFolder).map((name) => join(runtimeFolder, name))

/** The folder of the hooks of the process that a test starts. */
const newFolder = (before: ReadonlyArray<string>) => folders().find((folder) => !before.includes(folder))!

const developerTexts = (request: ScriptedModel.ModelRequest) =>
  request.input.filter(({ role }) => role === "developer").map((message) => JSON.stringify(message))

// =============================================================================
// Tests
// =============================================================================

describe("a hook before a tool", () => {
  it.live("sees a command, and keeps it from running", () => {
    const seen: Array<Hooks.PreToolUse> = []
    return withHooks(
      {
        preToolUse: (event) =>
          Effect.sync(() => {
            seen.push(event)
            return Hooks.deny("not here")
          })
      },
      ({ home, model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue(exec("echo hello > here.txt"), "I may not.")
          const result = yield* thread.run("Write.")
          assert.deepStrictEqual(kinds(result), ["userMessage", "agentMessage"])
          assert.deepStrictEqual(readdirSync(home.workspace), [])
          assert.include((yield* outputs(model))[0], "not here")
          assert.strictEqual(seen.length, 1)
          const { agent, callId, cwd, input, threadId, tool, turnId } = seen[0]!
          assert.deepStrictEqual({ agent, callId, cwd, input, threadId, tool, turnId }, {
            agent: undefined,
            callId: "call-0-0",
            cwd: home.workspace,
            input: { command: "echo hello > here.txt" },
            threadId: thread.id,
            tool: "Bash",
            turnId: result.id
          })
        })
    )
  })

  it.live("changes what runs", () =>
    withHooks(
      { preToolUse: () => Effect.succeed(Hooks.modify({ command: "echo changed" })) },
      ({ model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue(exec("echo original"), "Done.")
          const { items } = yield* thread.run("Say.")
          assert.include((yield* outputs(model))[0], "changed")
          assert.isTrue(items.some((item) => item.type === "commandExecution" && item.command?.includes("changed")))
        })
    ))

  it.live("does not run what it changed into something that codex cannot read", () =>
    withHooks(
      { preToolUse: () => Effect.succeed(Hooks.modify({ cmd: 1 })) },
      ({ home, model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue(exec("echo hello > here.txt"), "Done.")
          yield* thread.run("Write.")
          assert.deepStrictEqual(readdirSync(home.workspace), [])
        })
    ))

  it.live("tells the model something while the command runs", () =>
    withHooks(
      { preToolUse: () => Effect.succeed(Hooks.addContext("Mind the \"gap\"\n'there'.")) },
      ({ model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue(exec("echo original"), "Done.")
          yield* thread.run("Say.")
          assert.include((yield* outputs(model))[0], "original")
          const told = developerTexts((yield* model.requests)[1]!)
          assert.isTrue(told.some((text) => text.includes(JSON.stringify("Mind the \"gap\"\n'there'."))))
        })
    ))

  it.live("does not answer an approval", () =>
    withHooks(
      { preToolUse: () => Effect.succeed(Hooks.allow) },
      ({ codex, home, model }) =>
        Effect.gen(function*() {
          const thread = yield* codex.startThread({ cwd: home.workspace, approvalMode: ApprovalMode.ask })
          const args = { sandbox_permissions: "require_escalated", justification: "why not" }
          yield* model.enqueue(exec("echo hello > here.txt", { args }), "Done.")
          yield* thread.run("Write.")
          assert.deepStrictEqual(readdirSync(home.workspace), [])
        })
    ))

  it.live("sees the tools of a subagent, whose thread it is told", () => {
    const seen: Array<Hooks.PreToolUse> = []
    return withHooks(
      { preToolUse: (event) => Effect.sync(() => (seen.push(event), Hooks.allow)) },
      ({ thread }) =>
        Effect.gen(function*() {
          yield* thread.run("Delegate.")
          const spawn = seen[0]
          const command = seen.find(({ tool }) => tool === "Bash")
          assert.deepStrictEqual([spawn?.tool, spawn?.agent], ["spawn_agent", undefined])
          assert.deepStrictEqual(
            [command?.tool, command?.threadId, command?.agent?.type],
            ["Bash", thread.id, "default"]
          )
          assert.notStrictEqual(command?.agent?.threadId, thread.id)
        }),
      {
        answer: (request) => {
          const isSubagent = request.userTexts.includes("Say it.")
          if (isSubagent) return request.toolOutputs.length === 0 ? exec("echo from below") : "Said."
          if (request.toolOutputs.length === 0) return ScriptedModel.spawnAgent("Say it.")
          return request.toolOutputs.length === 1
            ? ScriptedModel.waitAgents(request)
            : "All done."
        }
      }
    )
  })

  it.live("sees a tool of the program, and not what is typed into a command that runs already", () => {
    const seen: Array<unknown> = []
    return withHooks(
      { preToolUse: ({ input, tool }) => Effect.sync(() => (seen.push([tool, input]), Hooks.allow)) },
      ({ codex, home }) =>
        Effect.gen(function*() {
          const weather = DynamicTools.tool("weather", {
            description: "Tells the weather.",
            input: Schema.Struct({ city: Schema.String }),
            handler: () => Effect.succeed("sunny")
          })
          const tools = yield* DynamicTools.make([weather])
          const thread = yield* codex.startThread({ cwd: home.workspace, sandbox: Sandbox.fullAccess, tools })
          yield* thread.run("Go.")
          assert.deepStrictEqual(seen, [["weather", { city: "Rome" }], ["Bash", { command: "sh" }]])
          assert.deepStrictEqual(readdirSync(home.workspace), ["typed.txt"])
        }),
      {
        answer: ({ toolOutputs }) => {
          if (toolOutputs.length === 0) return ScriptedModel.functionCall("weather", { city: "Rome" })
          if (toolOutputs.length === 1) return exec("sh", { args: { tty: true, yield_time_ms: 250 } })
          if (toolOutputs.length > 2) return "Done."
          const session_id = Number(/session ID (\d+)/.exec(toolOutputs[1]!.output)?.[1])
          return ScriptedModel.functionCall("write_stdin", { session_id, chars: "> typed.txt; exit\n" })
        }
      }
    )
  })

  it.live("sees a tool of an MCP server, and keeps it from running", () => {
    const seen: Array<unknown> = []
    return withHooks(
      { preToolUse: ({ input, tool }) => Effect.sync(() => (seen.push([tool, input]), Hooks.deny("not here"))) },
      ({ model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue(
            ScriptedModel.functionCall("change", { file: "a.txt" }, { namespace: "mcp__asker" }),
            "I may not."
          )
          yield* thread.run("Change.")
          assert.deepStrictEqual(seen, [["mcp__asker__change", { file: "a.txt" }]])
          assert.include((yield* outputs(model))[0], "not here")
        }),
      { config: { mcp_servers: { asker: { required: true, command: process.execPath, args: [mcpServer] } } } }
    )
  })

  it.live("may think for a while", () =>
    withHooks(
      // Longer than the socket is silent: it shows every second that the hook is still waited for.
      { preToolUse: () => Effect.delay(Effect.succeed(Hooks.deny("not here")), "2200 millis") },
      ({ home, model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue(exec("echo hello > here.txt"), "I may not.")
          yield* thread.run("Write.")
          assert.deepStrictEqual(readdirSync(home.workspace), [])
          assert.include((yield* outputs(model))[0], "not here")
        })
    ))

  it.live("decides for several threads at once", () =>
    Effect.gen(function*() {
      const both = yield* Latch.make()
      const waiting = yield* Ref.make(0)
      yield* withHooks(
        {
          preToolUse: () =>
            Effect.gen(function*() {
              if ((yield* Ref.updateAndGet(waiting, (count) => count + 1)) === 3) yield* both.open
              yield* both.await
              return Hooks.allow
            })
        },
        ({ codex, home }) =>
          Effect.gen(function*() {
            const run = Effect.gen(function*() {
              const thread = yield* codex.startThread({ cwd: home.workspace, sandbox: Sandbox.fullAccess })
              return kinds(yield* thread.run("Say."))
            })
            for (const result of yield* Effect.all([run, run, run], { concurrency: "unbounded" })) {
              assert.deepStrictEqual(result, ["userMessage", "commandExecution", "agentMessage"])
            }
          }),
        { answer: (request) => request.toolOutputs.length === 0 ? exec("echo hello") : "Done." }
      )
    }))
})

describe("a hook after a tool", () => {
  it.live("sees the result, and shows the model another one", () => {
    const seen: Array<Hooks.PostToolUse> = []
    return withHooks(
      { postToolUse: (event) => Effect.sync(() => (seen.push(event), Hooks.replaceResult("The key is ***."))) },
      ({ model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue(exec("echo the key is 1234"), "Done.")
          const { items } = yield* thread.run("Tell me the key.")
          assert.deepStrictEqual(seen.map(({ output }) => output), ["the key is 1234\n"])
          assert.deepStrictEqual(yield* outputs(model), ["The key is ***."])
          assert.isTrue(
            items.some((item) => item.type === "commandExecution" && item.aggregatedOutput?.includes("1234"))
          )
        })
    )
  })
})

describe("a hook of prompts", () => {
  it.live("keeps a prompt from the model, and the turn completes without an item", () =>
    withHooks(
      {
        userPromptSubmit: ({ prompt }) =>
          Effect.succeed(prompt.includes("secret") ? Hooks.deny("It is secret.") : Hooks.allow)
      },
      ({ model, thread }) =>
        Effect.gen(function*() {
          const result = yield* thread.run("The secret is 1234.")
          assert.deepStrictEqual([result.status, kinds(result)], ["completed", []])
          yield* model.enqueue("Fine.")
          yield* thread.run("Hello.")
          const [request, ...others] = yield* model.requests
          assert.deepStrictEqual(others, [])
          assert.isFalse(JSON.stringify(request?.body).includes("1234"))
        })
    ))

  it.live("adds to a prompt", () =>
    withHooks(
      { userPromptSubmit: () => Effect.succeed(Hooks.addContext("Today is Monday.")) },
      ({ model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue("Fine.")
          yield* thread.run("Hello.")
          assert.isTrue(developerTexts((yield* model.requests)[0]!).some((text) => text.includes("Today is Monday.")))
        })
    ))
})

describe("a hook of prompts that come later", () => {
  it.live("sees what a turn is steered with", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const gate = yield* ScriptedModel.gate
      yield* withHooks(
        { userPromptSubmit: ({ prompt }) => Effect.sync(() => (seen.push(prompt), Hooks.allow)) },
        ({ model, thread }) =>
          Effect.gen(function*() {
            yield* model.enqueue(ScriptedModel.text(["One", gate]), "Two.")
            const turn = yield* thread.turn("Begin.")
            yield* gate.reached
            yield* turn.steer("Now something else.")
            yield* gate.release
            yield* turn.result
            assert.deepStrictEqual(seen, ["Begin.", "Now something else."])
          })
      )
    }))
})

describe("a hook of the start", () => {
  it.live("knows a thread that was resumed", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const home = yield* CodexHome.CodexHome
      const client = CodexNode.layer({ cwd: home.workspace, env: home.env }).pipe(
        Layer.provide(
          Hooks.layer({ sessionStart: ({ source }) => Effect.sync(() => (seen.push(source), Hooks.allow)) })
        ),
        Layer.fresh
      )
      const run = (open: (codex: Codex.Codex["Service"]) => Effect.Effect<Thread.Thread, unknown, Scope.Scope>) =>
        Effect.gen(function*() {
          const thread = yield* open(yield* Codex.Codex)
          yield* thread.run("Hello.")
          return thread.id
        }).pipe(Effect.scoped, Effect.provide(client))
      const id = yield* run((codex) => codex.startThread())
      yield* run((codex) => codex.resumeThread(id))
      assert.deepStrictEqual(seen, ["startup", "resume"])
    }).pipe(
      Effect.provide([
        CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer({ answers: ["Fine.", "Fine."] }))),
        Logger.layer([])
      ])
    ))

  it.live("tells the model something before the first turn of a thread", () => {
    const seen: Array<string> = []
    return withHooks(
      {
        sessionStart: ({ source }) => Effect.sync(() => (seen.push(source), Hooks.addContext("Mind the gap.")))
      },
      ({ model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue("Fine.", "Fine.")
          yield* thread.run("Hello.")
          yield* thread.run("Hello again.")
          assert.deepStrictEqual(seen, ["startup"])
          assert.isTrue(developerTexts((yield* model.requests)[0]!).some((text) => text.includes("Mind the gap.")))
        })
    )
  })
})

describe("a hook of the end", () => {
  it.live("makes the agent go on once, in the same turn", () => {
    const seen: Array<Pick<Hooks.Stop, "isContinued" | "lastMessage">> = []
    return withHooks(
      {
        stop: ({ isContinued, lastMessage }) =>
          Effect.sync(() => {
            seen.push({ isContinued, lastMessage })
            return isContinued ? Hooks.allow : Hooks.goOn("Now test it.")
          })
      },
      ({ model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue("Written.", "Tested.")
          const result = yield* thread.run("Write it.")
          assert.deepStrictEqual(kinds(result), ["userMessage", "agentMessage", "hookPrompt", "agentMessage"])
          assert.deepStrictEqual(result.finalResponse, Option.some("Tested."))
          assert.deepStrictEqual(seen, [
            { isContinued: false, lastMessage: "Written." },
            { isContinued: true, lastMessage: "Tested." }
          ])
          assert.include((yield* model.requests)[1]?.userTexts.at(-1), "Now test it.")
        })
    )
  })
})

describe("a hook without a decision", () => {
  const failing: ReadonlyArray<readonly [string, () => Effect.Effect<never, unknown>, string]> = [
    ["fails", () => Effect.fail(new Error("no database")), "no database"],
    ["takes too long", () => Effect.never, "took too long"]
  ]

  it.live.each(failing)("denies what it was asked, and says so in the log, when it %s", ([, handler, why]) =>
    withHooks(
      { preToolUse: handler },
      ({ home, model, thread, warnings }) =>
        Effect.gen(function*() {
          yield* model.enqueue(exec("echo hello > here.txt"), "I may not.")
          yield* thread.run("Write.")
          assert.deepStrictEqual(readdirSync(home.workspace), [])
          assert.include((yield* outputs(model))[0], "gave no decision")
          const logged = (yield* Ref.get(warnings)).filter((text) => text.includes("PreToolUse"))
          assert.strictEqual(logged.length, 1)
          assert.include(logged[0], why)
        }),
      { timeout: "200 millis" }
    ))

  it.live("lets it happen where that was asked for, and is interrupted", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      yield* withHooks(
        { preToolUse: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)) },
        ({ model, thread }) =>
          Effect.gen(function*() {
            yield* model.enqueue(exec("echo hello"), "Done.")
            yield* thread.run("Say.")
            assert.include((yield* outputs(model))[0], "hello")
            yield* Deferred.await(interrupted)
          }),
        { timeout: "200 millis", onFailure: "allow" }
      )
    }))

  it.live("keeps no turn from its end", () =>
    withHooks(
      { stop: () => Effect.fail("broken"), sessionStart: () => Effect.fail("broken") },
      ({ model, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue("Fine.")
          assert.strictEqual((yield* thread.run("Hello.")).status, "completed")
        })
    ))

  it.live("denies when its socket is gone", () =>
    Effect.suspend(() => {
      const before = folders()
      return withHooks(
        { preToolUse: () => Effect.succeed(Hooks.allow) },
        ({ home, model, thread }) =>
          Effect.gen(function*() {
            rmSync(newFolder(before), { recursive: true })
            yield* model.enqueue(exec("echo hello > here.txt"), "I may not.")
            yield* thread.run("Write.")
            assert.deepStrictEqual(readdirSync(home.workspace), [])
            assert.include((yield* outputs(model))[0], "did not answer")
          })
      )
    }))

  it.live("ends with the turn that was interrupted", () =>
    Effect.gen(function*() {
      const [asked, interrupted] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      yield* withHooks(
        {
          preToolUse: () =>
            Deferred.succeed(asked, undefined).pipe(
              Effect.andThen(Effect.never),
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
        },
        ({ model, thread }) =>
          Effect.gen(function*() {
            yield* model.enqueue(exec("echo hello"), "Done.")
            const turn = yield* thread.turn("Say.")
            yield* Deferred.await(asked)
            yield* turn.interrupt
            yield* Deferred.await(interrupted)
          }),
        { timeout: "1 hour" }
      )
    }))
})

describe("the socket of the hooks", () => {
  it.live("is of this user alone, and goes with the client", () =>
    Effect.gen(function*() {
      const before = folders()
      let folder = ""
      yield* withHooks({ stop: () => Effect.succeed(Hooks.allow) }, () =>
        Effect.sync(() => {
          folder = newFolder(before)
          assert.strictEqual(statSync(folder).mode & 0o777, 0o700)
          assert.strictEqual(statSync(join(folder, "token")).mode & 0o777, 0o600)
        }))
      assert.isFalse(existsSync(folder))
    }))

  it.live("is out of reach of a command in the sandbox, which can neither connect nor take its place", () =>
    Effect.gen(function*() {
      const before = folders()
      yield* withHooks({ stop: () => Effect.succeed(Hooks.allow) }, ({ codex, home, model }) =>
        Effect.gen(function*() {
          const socket = join(newFolder(before), "socket")
          const program = `
const { unlinkSync } = require("node:fs")
try { unlinkSync("${socket}"); console.log("removed") } catch { console.log("stays") }
try {
  require("node:net").connect("${socket}").on("connect", () => console.log("reached")).on("error", () => console.log("refused"))
} catch { console.log("refused") }
`
          const thread = yield* codex.startThread({
            cwd: home.workspace,
            sandbox: Sandbox.workspaceWrite,
            approvalMode: ApprovalMode.denyAll
          })
          yield* model.enqueue(exec(`'${process.execPath}' -e '${program}'`), "Done.")
          yield* thread.run("Try.")
          assert.include((yield* outputs(model))[0], "stays\nrefused\n")
        }))
    }))

  it.live("does nothing for those who do not know the token, nor for what cannot be read", () =>
    Effect.gen(function*() {
      const before = folders()
      const seen: Array<unknown> = []
      yield* withHooks(
        { preToolUse: (event) => Effect.sync(() => (seen.push(event), Hooks.allow)) },
        ({ model, thread }) =>
          Effect.gen(function*() {
            const folder = newFolder(before)
            const token = readFileSync(join(folder, "token"), "utf8").trim()
            const event = JSON.stringify({
              session_id: "a",
              turn_id: "b",
              tool_name: "c",
              tool_input: {},
              tool_use_id: "d"
            })
            const say = (text: string) => Effect.promise(() => exchange(join(folder, "socket"), text))
            assert.strictEqual(yield* say(""), "")
            assert.strictEqual(yield* say(event), "")
            assert.strictEqual(yield* say(`${"0".repeat(64)} PreToolUse ${event}`), "")
            assert.strictEqual(yield* say(`${token} toString ${event}`), "")
            assert.strictEqual(yield* say(`${token} PreToolUse ${"[".repeat(40 * 1024 * 1024)}`), "")
            assert.deepStrictEqual(seen, [])
            for (const unreadable of ["", "{", "null", "[]", "[".repeat(100_000), `{"session_id":1}`]) {
              assert.include(yield* say(`${token} PreToolUse ${unreadable}`), "gave no decision")
            }
            assert.deepStrictEqual(seen, [])
            yield* model.enqueue(exec("echo hello"), "Done.")
            yield* thread.run("Say.")
            assert.strictEqual(seen.length, 1)
          })
      )
    }))
})

describe("a codex that was restarted", () => {
  it.live("has the hooks, at a socket of its own", () =>
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const model = yield* ScriptedModel.ScriptedModel
      const restart = Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(3)])
      const client = yield* Layer.build(
        CodexNode.layer({ cwd: home.workspace, env: home.env, restart }).pipe(
          Layer.provide(Hooks.layer({ preToolUse: () => Effect.succeed(Hooks.deny("not here")) }))
        )
      )
      const rpc = Context.get(client, AppServerRpc.AppServerRpc)
      const restored = yield* rpc.diagnosticEvents.pipe(
        Stream.takeUntil(({ _tag }) => _tag === "ConnectionRestored"),
        Stream.runDrain,
        Effect.forkChild({ startImmediately: true })
      )
      const before = folders()
      process.kill(Context.get(client, AppServer.AppServer).pid, "SIGKILL")
      yield* Fiber.join(restored)
      assert.notDeepEqual(folders(), before)
      yield* model.enqueue(exec("echo hello > here.txt"), "I may not.")
      const thread = yield* Context.get(client, Codex.Codex).startThread({
        cwd: home.workspace,
        sandbox: Sandbox.fullAccess
      })
      yield* thread.run("Write.")
      assert.deepStrictEqual(readdirSync(home.workspace), [])
    }).pipe(
      Effect.scoped,
      Effect.provide([CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())), Logger.layer([])])
    ))
})

describe("the configuration of the user", () => {
  it.live("stays as it is, and hooks in it that are not trusted do not run", () =>
    withHooks(
      { preToolUse: () => Effect.succeed(Hooks.allow) },
      ({ home, model, rpc, thread }) =>
        Effect.gen(function*() {
          yield* model.enqueue(exec("echo hello"), "Done.")
          const { items } = yield* thread.run("Say.")
          assert.isTrue(items.some(({ type }) => type === "commandExecution"))
          const { data } = yield* rpc.request("hooks/list", {})
          const all = data.flatMap((entry) => "hooks" in entry ? entry.hooks ?? [] : [])
          assert.deepStrictEqual(
            all.map((hook) => "trustStatus" in hook ? [hook.source, hook.trustStatus] : []).sort(),
            [["sessionFlags", "trusted"], ["user", "untrusted"]]
          )
          assert.notInclude(readFileSync(join(home.path, "config.toml"), "utf8"), "trusted_hash")
        }),
      {
        config: {
          features: { hooks: false },
          hooks: { PreToolUse: [{ hooks: [{ type: "command", command: "echo no >&2; exit 2" }] }] }
        }
      }
    ))

  it.live("of a thread can take its place", () =>
    withHooks(
      { preToolUse: () => Effect.succeed(Hooks.deny("no")) },
      ({ codex, home, model }) =>
        Effect.gen(function*() {
          const thread = yield* codex.startThread({
            cwd: home.workspace,
            sandbox: Sandbox.fullAccess,
            config: { "hooks.PreToolUse": [] }
          })
          yield* model.enqueue(exec("echo hello"), "Done.")
          assert.include(kinds(yield* thread.run("Say.")), "commandExecution")
        })
    ))
})

describe("a command that codex runs as a hook", () => {
  const commands: ReadonlyArray<readonly [string, boolean]> = [
    ["sleep 30", true],
    ["exit 1", true],
    ["echo reason >&2; exit 1", true],
    ["exit 2", true],
    ["echo {", true],
    [`echo '{"unknown":1}'`, true],
    [`echo '{"decision":"block","reason":" "}'`, true],
    ["echo reason >&2; exit 2", false],
    [`echo '{"decision":"block","reason":"reason"}'`, false]
  ]

  it.live("keeps a tool from running by a refusal with a reason alone", () =>
    withHooks({}, ({ codex, home }) =>
      Effect.forEach(commands, ([command, runs]) =>
        Effect.gen(function*() {
          const thread = yield* codex.startThread({
            cwd: home.workspace,
            sandbox: Sandbox.fullAccess,
            config: {
              bypass_hook_trust: true,
              "hooks.PreToolUse": [{ hooks: [{ type: "command", command, timeout: 1 }] }]
            }
          })
          const result = yield* thread.run("Say.")
          assert.strictEqual(kinds(result).includes("commandExecution"), runs, command)
        }), { concurrency: 3, discard: true }), {
      answer: ({ toolOutputs }) => toolOutputs.length === 0 ? exec("echo hello") : "Done."
    }))
})

describe("a client with hooks", () => {
  const hooks = Hooks.layer({ stop: () => Effect.succeed(Hooks.allow) })
  const startError = (client: Layer.Layer<Codex.Codex, CodexError.CodexError>, installed = hooks) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(Layer.provide(client, installed)))
      assert.instanceOf(error, CodexError.AppServerStartError)
      return error.message
    }).pipe(Effect.scoped)

  it.live("does not start with a server that runs already, with arguments or with options of another kind", () =>
    Effect.gen(function*() {
      assert.include(yield* startError(CodexNode.layerUnixSocket({ path: "/nowhere" })), "cannot get hooks")
      assert.include(yield* startError(CodexNode.layer({ args: ["app-server"] })), "`args`")
      const untyped: Hooks.Options = JSON.parse(`{"timeout":"soon"}`)
      assert.include(
        yield* startError(CodexNode.layer(), Hooks.layer({ stop: () => Effect.succeed(Hooks.allow) }, untyped)),
        "Hooks.timeout"
      )
    }))

  it.live("does not start with a codex that does not run them", () =>
    Effect.gen(function*() {
      const { at } = yield* tree({
        "server.mjs": { script: forgetful },
        "codex": { script: `#!/bin/sh\nexec "${process.execPath}" "$(dirname "$0")/server.mjs"\n` }
      })
      const message = yield* startError(CodexNode.layer({ executable: at("codex") }))
      assert.include(message, "does not run the hooks of this program (Stop)")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
