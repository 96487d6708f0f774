/** Commands on the server's machine, on the real codex binary. */
import { AppServer, AppServerRpc, type CodexError, Sandbox, Workspace } from "@effect-codex/client"
import * as Processes from "@effect-codex/test-support/processes"
import { CodexHome } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber, Redacted, Scope, Stream } from "effect"
import { existsSync, writeFileSync } from "node:fs"
import { realWith } from "../support/realService.ts"

const real = realWith(Workspace.layer)

const services = Effect.all({
  commands: Workspace.Workspace,
  home: CodexHome.CodexHome,
  rpc: AppServerRpc.AppServerRpc
})

const sandbox = Sandbox.fullAccess
const text = <E>(stream: Stream.Stream<Uint8Array, E>) => Stream.mkString(Stream.decodeText(stream))

/** A mark of processes, which are killed when the test fails. */
const newMark = Effect.acquireRelease(
  Effect.sync(Processes.newMark),
  (mark) => Effect.sync(() => Processes.killMarked(mark))
)
const runs = (mark: string, count: number) =>
  Processes.until(
    `${count} processes run`,
    () => Processes.marked(mark).filter(({ args }) => args.startsWith("sleep")).length === count,
    () => Processes.marked(mark)
  )

describe("run", () => {
  real(
    "runs a command with its input, folder and environment, and tells how it ended",
    Effect.gen(function*() {
      const { commands, home: { workspace } } = yield* services
      assert.deepStrictEqual(
        yield* commands.run(["sh", "-c", "cat; pwd; echo $A-${HOME-unset} >&2; exit 3"], {
          cwd: workspace,
          env: { A: Redacted.make("secret"), HOME: undefined },
          sandbox,
          stdin: "grüße\n"
        }),
        { exitCode: 3, stdout: `grüße\n${workspace}\n`, stderr: "secret-unset\n", isLimitReached: false }
      )
      // Without an input stdin is no pipe, which some programs would read.
      assert.include(yield* commands.run(["readlink", "/proc/self/fd/0"], { sandbox }), { stdout: "/dev/null\n" })
      const large = "x".repeat(3_000_000)
      const echoed = yield* commands.run(["cat"], { sandbox, stdin: large, maxOutputBytes: "unlimited" })
      assert.isTrue(echoed.stdout === large)
      const limited = yield* commands.run(["cat"], { sandbox, stdin: large })
      assert.deepStrictEqual([limited.stdout.length, limited.isLimitReached], [1024 * 1024, true])
      assert.include(yield* commands.run(["sh", "-c", "kill -9 $$"], { sandbox }), { exitCode: 137 })
      // codex itself would end it after 10 seconds.
      assert.include(yield* commands.run(["sleep", "11"], { sandbox }), { exitCode: 0 })
    })
  )

  real(
    "fails if the program cannot be started, and says what else goes wrong by the code",
    Effect.gen(function*() {
      const { commands, home: { workspace } } = yield* services
      const missing = yield* Effect.flip(commands.run(["no-such-program", "secret"], { sandbox }))
      assert.deepInclude(missing, {
        _tag: "CommandError",
        reason: "notFound",
        program: "no-such-program",
        osError: 2
      })
      assert.notInclude(missing.message, "secret")
      const cwd = yield* Effect.flip(commands.run(["true"], { sandbox, cwd: `${workspace}/none` }))
      assert.deepInclude(cwd, { _tag: "CommandError", reason: "notFound" })
      writeFileSync(`${workspace}/plain`, "")
      const plain = yield* Effect.flip(commands.run([`${workspace}/plain`], { sandbox }))
      assert.deepInclude(plain, { _tag: "CommandError", reason: "permissionDenied" })
      assert.deepInclude(yield* Effect.flip(commands.run(["true"], { permissions: "none" })), { _tag: "RpcError" })
      assert.include(yield* commands.run(["no-such-program"], { sandbox: Sandbox.readOnly }), { exitCode: 101 })
      const timeout = yield* commands.run(["sh", "-c", "echo a; sleep 30"], { sandbox, timeout: "1 second" })
      assert.deepInclude(timeout, { exitCode: 124, stdout: "a\n" })
      const wrong: ReadonlyArray<
        readonly [argument: string, call: Effect.Effect<unknown, CodexError.CommandCallError>]
      > = [
        ["command", commands.run([])],
        ["timeout", commands.run(["true"], { timeout: "soon" as never })],
        ["sandbox", commands.run(["true"], { sandbox, permissions: ":workspace" })],
        ["terminal", Effect.scoped(commands.exec(["true"], { terminal: { rows: 0, columns: 1 } }))],
        ["maxOutputBytes", commands.run(["true"], { maxOutputBytes: -1 })]
      ]
      for (const [argument, call] of wrong) {
        assert.deepInclude(yield* Effect.flip(call), { _tag: "InvalidArgument", argument })
      }
    })
  )

  real(
    "runs in the sandbox that it is given, and by default in that of the configuration",
    Effect.gen(function*() {
      const { commands, home: { workspace } } = yield* services
      const touch = ["touch", `${workspace}/made`]
      for (const options of [{}, { sandbox: Sandbox.readOnly }, { permissions: ":read-only" }]) {
        const { exitCode, stderr } = yield* commands.run(touch, options)
        assert.strictEqual(exitCode, 1)
        assert.include(stderr, "Read-only file system")
      }
      assert.isFalse(existsSync(`${workspace}/made`))
      assert.include(yield* commands.run(touch, { sandbox: Sandbox.workspaceWrite }), { exitCode: 0 })
      assert.isTrue(existsSync(`${workspace}/made`))
    })
  )
})

describe("exec", () => {
  real(
    "talks with a command while it runs",
    Effect.gen(function*() {
      const { commands } = yield* services
      const cat = yield* commands.exec(["sh", "-c", "while read line; do echo \"got $line\"; done; echo end >&2"], {
        sandbox
      })
      const answers = cat.stdout.pipe(Stream.decodeText(), Stream.splitLines)
      const read = yield* Stream.toPull(answers)
      yield* cat.write("one\n")
      assert.deepStrictEqual(yield* read, ["got one"])
      yield* cat.write(new TextEncoder().encode("two\n"))
      assert.deepStrictEqual(yield* read, ["got two"])
      yield* cat.closeStdin
      yield* cat.closeStdin
      assert.deepStrictEqual(yield* cat.exit, {
        exitCode: 0,
        isStdoutLimitReached: false,
        isStderrLimitReached: false
      })
      // What was written before it ended is there after it, too.
      assert.strictEqual(yield* text(cat.stderr), "end\n")
      assert.deepInclude(yield* Effect.flip(cat.write("late")), { _tag: "CommandError", reason: "stdinClosed" })
      yield* cat.kill
    })
  )

  real(
    "takes a stream as stdin, and gives all output in order",
    Effect.gen(function*() {
      const { commands } = yield* services
      const sort = yield* commands.exec(["sort", "-n"], { sandbox, maxOutputBytes: "unlimited" })
      yield* Stream.range(1, 5000).pipe(
        Stream.map((number) => `${5001 - number}\n`),
        Stream.run(sort.stdin)
      )
      assert.strictEqual(
        yield* text(sort.stdout),
        Array.from({ length: 5000 }, (_, index) => `${index + 1}\n`).join("")
      )
    })
  )

  real(
    "gives a command a terminal, which changes its size",
    Effect.gen(function*() {
      const { commands } = yield* services
      const shell = yield* commands.exec(["sh", "-c", "stty size; read x; stty size; echo to stderr >&2"], {
        sandbox,
        terminal: { rows: 10, columns: 33 }
      })
      const read = yield* Stream.toPull(shell.stdout.pipe(Stream.decodeText(), Stream.splitLines))
      assert.deepStrictEqual(yield* read, ["10 33"])
      yield* shell.resize({ rows: 11, columns: 44 })
      yield* shell.write("go\n")
      yield* shell.exit
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.fromPull(Effect.succeed(read))), [
        "go",
        "11 44",
        "to stderr"
      ])
      assert.deepInclude(yield* Effect.flip(shell.resize({ rows: 1, columns: 1 })), { reason: "ended" })
      const plain = yield* commands.exec(["cat"], { sandbox })
      assert.deepInclude(yield* Effect.flip(plain.resize({ rows: 1, columns: 1 })), { reason: "noTerminal" })
    })
  )

  real(
    "fails if the program cannot be started, and not if it ends at once",
    Effect.gen(function*() {
      const { commands } = yield* services
      const missing = yield* Effect.flip(commands.exec(["no-such-program"], { sandbox }))
      assert.deepInclude(missing, { _tag: "CommandError", reason: "notFound" })
      for (const stdin of [true, false]) {
        const quick = yield* commands.exec(["true"], { sandbox, stdin })
        assert.deepInclude(yield* quick.exit, { exitCode: 0 })
        assert.deepInclude(yield* Effect.flip(quick.write("x")), { reason: stdin ? "ended" : "stdinClosed" })
      }
    })
  )

  real(
    "lets no unread output grow beyond its limit",
    Effect.gen(function*() {
      const { commands } = yield* services
      const yes = yield* commands.exec(["sh", "-c", "yes | head -c 3000000; echo done >&2"], {
        sandbox,
        maxOutputBytes: "unlimited",
        maxUnreadBytes: 1_000_000
      })
      assert.deepInclude(yield* yes.exit, { exitCode: 0 })
      assert.deepInclude(yield* Effect.flip(Stream.runDrain(yes.stdout)), { _tag: "CommandError", reason: "unread" })
      assert.strictEqual(yield* text(yes.stderr), "done\n")
    })
  )
})

describe("a command", () => {
  real(
    "and its process group end with the scope, the fiber, and the kill",
    Effect.gen(function*() {
      const { commands } = yield* services
      const mark = yield* newMark
      // It ignores signals, and has a child in its group.
      const command = ["sh", "-c", `trap '' TERM INT HUP; sleep ${mark} & sleep ${mark}`]

      const scope = yield* Scope.make()
      yield* Scope.provide(commands.exec(command, { sandbox }), scope)
      yield* runs(mark, 2)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(Processes.marked(mark), [])

      const running = yield* Effect.forkChild(commands.run(command, { sandbox }))
      yield* runs(mark, 2)
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual(Processes.marked(mark), [])

      const killed = yield* commands.exec(command, { sandbox })
      yield* runs(mark, 2)
      yield* killed.kill
      assert.deepInclude(yield* killed.exit, { exitCode: 137 })
      assert.deepStrictEqual(Processes.marked(mark), [])

      // Right behind its start, when codex may not know it yet.
      const early = yield* Effect.forkChild(Effect.scoped(commands.exec(command, { sandbox })), {
        startImmediately: true
      })
      yield* Fiber.interrupt(early)
      assert.deepStrictEqual(Processes.marked(mark), [])
    })
  )

  real(
    "in a sandbox ends with everything that it has started",
    Effect.gen(function*() {
      const { commands } = yield* services
      const mark = yield* newMark
      const running = yield* Effect.forkChild(commands.run(["sh", "-c", `setsid sleep ${mark} & sleep ${mark}`]))
      yield* runs(mark, 2)
      yield* Fiber.interrupt(running)
      yield* runs(mark, 0)
    })
  )

  real(
    "fails with the connection, and ends with codex",
    Effect.gen(function*() {
      const { commands } = yield* services
      const { pid } = yield* AppServer.AppServer
      const mark = yield* newMark
      const sleep = yield* commands.exec(["sleep", mark])
      yield* runs(mark, 1)
      process.kill(pid, "SIGKILL")
      assert.strictEqual((yield* Effect.flip(sleep.exit))._tag, "AppServerExited")
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(sleep.stdout)))._tag, "AppServerExited")
      yield* runs(mark, 0)
    })
  )

  real(
    "that does not read its full stdin is reported, because codex cannot end it",
    Effect.gen(function*() {
      const { commands, rpc } = yield* services
      const mark = yield* newMark
      const report = yield* Effect.forkChild(
        Stream.runHead(Stream.filter(rpc.diagnosticEvents, ({ _tag }) => _tag === "Other")),
        { startImmediately: true }
      )
      yield* Effect.scoped(Effect.gen(function*() {
        const sleep = yield* commands.exec(["sleep", mark], { sandbox })
        let written = 0
        const full = yield* Effect.forkScoped(
          Effect.forever(Effect.tap(sleep.write(new Uint8Array(100_000)), () => Effect.sync(() => written++)))
        )
        yield* Processes.until("stdin is full", () => written === 129, () => written)
        // Another call shows that the last write waits.
        assert.deepInclude(yield* commands.run(["true"], { sandbox }), { exitCode: 0 })
        yield* Fiber.interrupt(full)
      }))
      assert.include(JSON.stringify(yield* Fiber.join(report)), "did not end within 2 seconds")
      assert.strictEqual(Processes.marked(mark).length, 1)
    })
  )
})
