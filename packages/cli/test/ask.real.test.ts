/** Approvals asked at a terminal: the same program as `effect-codex run`, on the real binary, with a scripted person. */
import { Codex } from "@effect-codex/client"
import { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  type Duration,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  Option,
  type Scope,
  Stdio,
  Stream,
  Terminal
} from "effect"
import { TerminalCapabilities } from "effect/cli"
import * as Ask from "../src/internal/ask.ts"
import { runWith } from "../src/internal/run.ts"
import { Screen } from "../src/internal/screen.ts"
import * as Cli from "./support/cli.ts"
import * as Person from "./support/terminal.ts"

const timeout = 60_000

const escalated = (command: string) =>
  ScriptedModel.exec(command, {
    args: { sandbox_permissions: "require_escalated", justification: `Shall I ${command}?` }
  })

const services = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const model = yield* ScriptedModel.ScriptedModel
  const { workspace } = yield* CodexHome.CodexHome
  const rpc = yield* AppServerRpc
  const fs = yield* FileSystem.FileSystem
  const person = Person.make()
  const options = {
    prompt: Option.some("go"),
    resume: Option.none(),
    last: false,
    model: Option.none(),
    effort: Option.none(),
    sandbox: Option.some("read-only" as const),
    approve: "ask" as const,
    mode: Option.none(),
    image: [],
    outputSchema: Option.none(),
    budget: Option.none(),
    prices: Option.none(),
    timeout: Option.none(),
    config: [],
    cwd: Option.some(workspace),
    json: false,
    quiet: false,
    offline: false
  }
  return {
    model,
    person,
    rpc,
    workspace,
    write: (name: string, text: string) => fs.writeFileString(`${workspace}/${name}`, text),
    exists: (name: string) => fs.exists(`${workspace}/${name}`),
    /** What the model was told of its last call. */
    told: Effect.map(model.requests, (requests) => requests.at(-1)?.toolOutputs.at(-1)?.output ?? ""),
    run: at(person, runWith(Effect.succeed({ codex, rpc, isOffline: false, notice: undefined }), options)).pipe(
      Effect.exit,
      Effect.forkScoped
    )
  }
})

const at = <A, E, R>(
  person: ReturnType<typeof Person.make>,
  effect: Effect.Effect<A, E, R>,
  options?: { readonly colors?: boolean; readonly typeAhead?: Duration.Input }
) =>
  effect.pipe(
    Effect.provideService(Screen, person.screen),
    Effect.provideService(Terminal.Terminal, person.terminal),
    Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
      canColor: options?.colors ?? false,
      canAnimate: true,
      canPrompt: true
    }),
    Effect.provideService(Ask.TypeAhead, options?.typeAhead ?? 0),
    Effect.provide(Stdio.layerTest({ stdinIsTerminal: Effect.succeed(true) }))
  )

const real = (
  name: string,
  test: (
    given: Effect.Success<typeof services>
  ) => Effect.Effect<void, unknown, NodeServices.NodeServices | Scope.Scope>,
  options?: ScriptedCodex.Options
) =>
  it.live(name, () =>
    Effect.flatMap(services, test).pipe(
      Effect.scoped,
      Effect.provide([ScriptedCodex.layer(options), NodeServices.layer])
    ), timeout)

/** The lines from the first question on, without the last one, which names the thread. */
const asked = (person: ReturnType<typeof Person.make>): ReadonlyArray<string> => {
  const lines = Person.seen(person.text()).map(Cli.untimed)
  return lines.slice(lines.findIndex((line) => line.startsWith("The agent ")))
    .filter((line) => !/^thread \S+, go on with: /.test(line))
}

const isInterrupted = (exit: Exit.Exit<unknown, unknown>) => Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)

describe("a command", () => {
  real("is shown with its folder and its reason, and runs when it is accepted", (given) =>
    Effect.gen(function*() {
      const { exists, model, person, run, workspace } = given
      yield* model.enqueue(escalated("touch made.txt"), "It is there.")
      const running = yield* run
      yield* person.has("Allow it?")
      assert.isFalse(yield* exists("made.txt"))
      yield* person.press("y")
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(running)))
      assert.isTrue(yield* exists("made.txt"))
      assert.deepStrictEqual(asked(person).slice(0, -2), [
        "The agent wants to run:",
        "    touch made.txt",
        `  in ${workspace}`,
        "  Its reason: Shall I touch made.txt?",
        "  Accepted.",
        "ran `touch made.txt`",
        "It is there."
      ])
    }))

  real(
    "that was accepted for the session is not asked again",
    ({ exists, model, person, run }) =>
      Effect.gen(function*() {
        yield* model.enqueue(
          escalated("touch made.txt"),
          escalated("touch made.txt"),
          escalated("touch more.txt"),
          "done"
        )
        const running = yield* run
        yield* person.has("Allow it?")
        yield* person.press("a")
        yield* person.has("Allow it?", 2)
        assert.isFalse(yield* exists("more.txt"))
        yield* person.press("y")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(running)))
        assert.isTrue(yield* exists("made.txt"))
        assert.deepStrictEqual(asked(person).filter((line) => /^    touch|^  [AD]|^ran/.test(line)), [
          "    touch made.txt",
          "  Accepted for this session.",
          "ran `touch made.txt`",
          "ran `touch made.txt`",
          "    touch more.txt",
          "  Accepted.",
          "ran `touch more.txt`"
        ])
      })
  )

  real(
    "does not run when it is declined, and the turn goes on",
    ({ exists, model, person, run, told }) =>
      Effect.gen(function*() {
        yield* model.enqueue(escalated("touch made.txt"), "So be it.")
        const running = yield* run
        yield* person.has("Allow it?")
        yield* person.press("n")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(running)))
        assert.isFalse(yield* exists("made.txt"))
        assert.include(yield* told, "rejected by user")
        assert.includeMembers([...asked(person)], [
          "  Declined.",
          "did not run `touch made.txt`: it was declined",
          "So be it."
        ])
      })
  )

  for (const key of ["c", "escape"]) {
    real(`ends the turn when it is cancelled with ${key}`, ({ exists, model, person, run }) =>
      Effect.gen(function*() {
        yield* model.enqueue(escalated("touch made.txt"), "never")
        const running = yield* run
        yield* person.has("Allow it?")
        yield* person.press(key)
        assert.isTrue(isInterrupted(yield* Fiber.join(running)))
        assert.isFalse(yield* exists("made.txt"))
        assert.lengthOf(yield* model.requests, 1)
        assert.include(asked(person), "  Cancelling the turn.")
      }))
  }

  for (
    const [how, act] of [
      ["Ctrl-C at the question", (person) => person.press("c", { ctrl: true })],
      ["the end of the input", (person) => person.hangUp]
    ] as ReadonlyArray<readonly [string, (person: ReturnType<typeof Person.make>) => Effect.Effect<void>]>
  ) {
    real(`is interrupted with its turn by ${how}`, ({ exists, model, person, run }) =>
      Effect.gen(function*() {
        yield* model.enqueue(escalated("touch made.txt"), "never")
        const running = yield* run
        yield* person.has("Allow it?")
        yield* act(person)
        assert.isTrue(isInterrupted(yield* Fiber.join(running)))
        assert.isFalse(person.isReading())
        assert.isFalse(yield* exists("made.txt"))
        assert.lengthOf(yield* model.requests, 1)
        assert.deepStrictEqual(asked(person).slice(-2), ["Interrupting the turn.", ""])
      }))
  }

  real("is taken off the terminal when the program is interrupted", ({ model, person, run }) =>
    Effect.gen(function*() {
      yield* model.enqueue(escalated("touch made.txt"), "never")
      const running = yield* run
      yield* person.has("Allow it?")
      yield* Fiber.interrupt(running)
      assert.isFalse(person.isReading())
      assert.deepStrictEqual(asked(person).slice(-3), [
        "  Its reason: Shall I touch made.txt?",
        "Interrupting the turn.",
        ""
      ])
    }))

  real(
    "is taken off the terminal when its turn ends elsewhere",
    ({ exists, model, person, rpc, run }) =>
      Effect.gen(function*() {
        yield* model.enqueue(escalated("touch made.txt"), "never")
        const started = yield* rpc.notifications.pipe(
          Stream.filter((event) => event._tag === "turn/started"),
          Stream.take(1),
          Stream.runCollect,
          Effect.forkScoped({ startImmediately: true })
        )
        const running = yield* run
        yield* person.has("Allow it?")
        const [event] = yield* Fiber.join(started)
        yield* rpc.request("turn/interrupt", { threadId: event!.params.threadId, turnId: event!.params.turn.id })
        const exit = yield* Fiber.join(running)
        assert.isFalse(isInterrupted(exit))
        assert.isFalse(person.isReading())
        assert.isFalse(yield* exists("made.txt"))
        assert.include(asked(person), "  No longer needed: it was decided elsewhere, or its turn has ended.")
      })
  )

  real("waits for the one before it", ({ exists, model, person, run }) =>
    Effect.gen(function*() {
      // codex runs both at once, and asks in an order of its own.
      yield* model.enqueue([escalated("touch one.txt"), escalated("touch two.txt")], "done")
      const running = yield* run
      yield* person.has("Allow it?")
      yield* person.press("n")
      yield* person.has("Allow it?", 2)
      yield* person.press("y")
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(running)))
      const shown = asked(person).filter((line) => /^    touch|^  [AD]/.test(line))
      const [first, second] = shown[0]?.includes("one") === true ? ["one", "two"] : ["two", "one"]
      assert.deepStrictEqual(shown, [
        `    touch ${first}.txt`,
        "  Declined.",
        `    touch ${second}.txt`,
        "  Accepted."
      ])
      assert.deepStrictEqual([yield* exists(`${first}.txt`), yield* exists(`${second}.txt`)], [false, true])
    }))
})

describe("a change of files", () => {
  const patch = ScriptedModel.exec(
    `apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: old.txt\n@@\n-before\n+after\n*** Add File: new.txt\n` +
      `+hello\n*** End Patch\nEOF`
  )

  real(
    "is shown with its diff, and done when it is accepted",
    ({ exists, model, person, run, workspace, write }) =>
      Effect.gen(function*() {
        yield* write("old.txt", "before\n")
        yield* model.enqueue(patch, "done")
        const running = yield* run
        yield* person.has("Allow it?")
        assert.isFalse(yield* exists("new.txt"))
        yield* person.press("y")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(running)))
        assert.isTrue(yield* exists("new.txt"))
        assert.deepStrictEqual(asked(person).slice(0, 8), [
          "The agent wants to change files:",
          `  add ${workspace}/new.txt`,
          "    +hello",
          `  update ${workspace}/old.txt`,
          "    @@ -1 +1 @@",
          "    -before",
          "    +after",
          "  Accepted."
        ])
      })
  )
})

describe("permissions", () => {
  real(
    "are asked for without a way to cancel, and the model is told what it got",
    ({ model, person, run, told }) =>
      Effect.gen(function*() {
        yield* model.enqueue(
          ScriptedModel.functionCall("request_permissions", {
            reason: "to fetch",
            permissions: { network: { enabled: true } }
          }),
          "done"
        )
        const running = yield* run
        yield* person.has("Allow it? y yes · a yes, for this session · n no ")
        assert.notInclude(person.text(), "cancel")
        yield* person.press("c")
        yield* person.has("\u0007")
        yield* person.press("a")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(running)))
        assert.strictEqual(
          yield* told,
          "{\"permissions\":{\"network\":{\"enabled\":true},\"file_system\":null},\"scope\":\"session\"}"
        )
        assert.deepStrictEqual(asked(person).slice(0, 4), [
          "The agent asks for more permissions:",
          "  to use the network",
          "  Its reason: to fetch",
          "  Accepted for this session."
        ])
      }),
    { home: { config: { features: { request_permissions_tool: true } } } }
  )
})

describe("the questions", () => {
  /** A person who is asked, and how the client asks: what interrupts `request` is what tells the client that it is over. */
  const asking = Effect.fnUntraced(function*(options?: Parameters<typeof at>[2] & Parameters<typeof Person.make>[0]) {
    const person = Person.make(options)
    const { ask, handlers } = yield* Ask.make
    const fiber = yield* at(person, ask, options).pipe(Effect.forkScoped({ startImmediately: true }))
    const request = (command: string) =>
      handlers["item/commandExecution/requestApproval"]!({
        id: 1,
        method: "item/commandExecution/requestApproval",
        item: undefined,
        params: {
          kind: "command",
          threadId: "thread",
          turnId: "turn",
          itemId: command,
          startedAtMs: 0,
          environmentId: null,
          command
        }
      }).pipe(Effect.forkScoped({ startImmediately: true }))
    const tool = (persist: ReadonlyArray<string>) =>
      handlers.mcpToolApproval!({
        id: 1,
        method: "mcpServer/elicitation/request",
        item: undefined,
        params: {
          mode: "form",
          threadId: "thread",
          turnId: "turn",
          serverName: "files",
          environmentId: null,
          message: "Allow it?",
          requestedSchema: { type: "object", properties: {} },
          _meta: { codex_approval_kind: "mcp_tool_call", tool_name: "change", tool_params: { file: "a.txt" }, persist }
        }
      }).pipe(Effect.forkScoped({ startImmediately: true }))
    return { person, request, tool, fiber }
  })

  it.live("come in the order of the requests, without those that are over before their turn", () =>
    Effect.gen(function*() {
      const { person, request } = yield* asking()
      const one = yield* request("one")
      const two = yield* request("two")
      const three = yield* request("three")
      const four = yield* request("four")
      yield* person.has("Allow it?")
      yield* Fiber.interrupt(three)
      yield* person.press("n")
      assert.deepStrictEqual(yield* Fiber.join(one), { decision: "decline" })
      yield* person.has("Allow it?", 2)
      yield* person.press("y")
      assert.deepStrictEqual(yield* Fiber.join(two), { decision: "accept" })
      yield* person.has("Allow it?", 3)
      yield* person.press("a")
      assert.deepStrictEqual(yield* Fiber.join(four), { decision: "acceptForSession" })
      yield* person.has("for this session.\n")
      assert.deepStrictEqual(Person.seen(person.text()), [
        "The agent wants to run:",
        "    one",
        "  Declined.",
        "The agent wants to run:",
        "    two",
        "  Accepted.",
        "The agent wants to run:",
        "    four",
        "  Accepted for this session.",
        ""
      ])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("about a tool of an MCP server offer what codex offers, and no cancel", () =>
    Effect.gen(function*() {
      const { person, tool } = yield* asking()
      const once = yield* tool([])
      yield* person.has("Allow it? y yes · n no ")
      yield* person.press("escape")
      assert.deepInclude(yield* Fiber.join(once), { action: "decline" })
      const session = yield* tool(["session"])
      yield* person.has("Allow it? y yes · a yes, for this session · n no ")
      yield* person.press("a")
      assert.deepInclude(yield* Fiber.join(session), { action: "accept", _meta: { persist: "session" } })
      assert.deepStrictEqual(Person.seen(person.text()).slice(0, 5), [
        "The agent wants to call change of the MCP server files:",
        "    {",
        "      \"file\": \"a.txt\"",
        "    }",
        "  Declined."
      ])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("go on with the next when the one that is shown is over", () =>
    Effect.gen(function*() {
      const { person, request } = yield* asking()
      const one = yield* request("one")
      yield* person.has("Allow it?")
      const two = yield* request("two")
      yield* Fiber.interrupt(one)
      yield* person.has("Allow it?", 2)
      yield* person.press("y")
      assert.deepStrictEqual(yield* Fiber.join(two), { decision: "accept" })
      yield* person.has("Accepted.\n")
      assert.deepStrictEqual(Person.seen(person.text()), [
        "The agent wants to run:",
        "    one",
        "  No longer needed: it was decided elsewhere, or its turn has ended.",
        "The agent wants to run:",
        "    two",
        "  Accepted.",
        ""
      ])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("take no key that was typed before they could be read, but Ctrl-C", () =>
    Effect.gen(function*() {
      const { fiber, person, request } = yield* asking({ typeAhead: "1 hour" })
      const one = yield* request("one")
      yield* person.has("Allow it?")
      yield* person.press("y")
      // It shows the question again.
      yield* person.has("Allow it?", 2)
      assert.isUndefined(one.pollUnsafe())
      yield* person.press("c", { ctrl: true })
      assert.isTrue(isInterrupted(yield* Fiber.await(fiber)))
      assert.isFalse(person.isReading())
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("are not torn by what is written meanwhile", () =>
    Effect.gen(function*() {
      const { person, request } = yield* asking()
      yield* person.screen.answer("Half a ")
      const one = yield* request("one")
      yield* person.has("Allow it?")
      const before = person.text()
      yield* person.screen.line("ran something")
      yield* person.screen.status(() => "thinking")
      const rest = yield* person.screen.answer("sentence.\n").pipe(Effect.forkScoped({ startImmediately: true }))
      assert.strictEqual(person.text(), before)
      yield* person.press("y")
      yield* Fiber.join(one)
      yield* Fiber.join(rest)
      assert.deepStrictEqual(Person.seen(person.text()), [
        "Half a",
        "The agent wants to run:",
        "    one",
        "  Accepted.",
        "ran something",
        "sentence.",
        ""
      ])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("fit on a narrow terminal", () =>
    Effect.gen(function*() {
      const { person, request } = yield* asking({ columns: 30 })
      yield* request("one")
      yield* person.has("y/a/n/c? ")
      assert.notInclude(person.text(), "Allow it?")
    }).pipe(Effect.provide(NodeServices.layer)))
})
