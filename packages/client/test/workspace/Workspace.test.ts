/** The workspace on the fake, and what only a strange server does. */
import { AppServerRpc, CodexError, Workspace } from "@effect-codex/client"
import { CodexTest, FakeAppServer } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue, Stream } from "effect"

const Fake = Layer.provideMerge(
  Workspace.layer,
  FakeAppServer.layer({ files: { "notes.txt": "buy milk", "/etc/raw": Uint8Array.of(0, 255) } })
)

describe("with the fake", () => {
  it.effect("has files in memory, and tells their changes", () =>
    Effect.gen(function*() {
      const files = yield* Workspace.Workspace
      assert.strictEqual(yield* files.readText("/workspace/notes.txt"), "buy milk")
      assert.deepStrictEqual(yield* files.readFile("/etc/raw"), Uint8Array.of(0, 255))
      const events = yield* Queue.unbounded<Workspace.WatchEvent>()
      yield* Effect.forkScoped(
        Stream.runForEach(files.watch("/workspace"), (event) => Queue.offer(events, event)),
        { startImmediately: true }
      )
      assert.deepStrictEqual(yield* Queue.take(events), { _tag: "Started", path: "/workspace" })
      yield* files.writeFile("/workspace/done.txt", "milk")
      assert.deepStrictEqual(yield* Queue.take(events), { _tag: "Changed", paths: ["/workspace/done.txt"] })
      assert.deepStrictEqual(yield* files.list("/workspace"), [
        { name: "done.txt", kind: "file" },
        { name: "notes.txt", kind: "file" }
      ])
      const missing = yield* Effect.flip(files.readText("/workspace/none"))
      assert.deepInclude(missing, { _tag: "FileError", reason: "notFound" })
      const command = yield* Effect.flip(files.run(["true"]))
      assert.include(command.message, "FakeAppServer does not do command/exec")
    }).pipe(Effect.scoped, Effect.provide(Fake)))
})

const server = (os: string) => ({
  serverInfo: { version: "", userAgent: "", codexHome: "", platformFamily: os, platformOs: os },
  restarts: 0
})

/** A server that answers each request in this way. */
const answering = (request: (method: string) => Effect.Effect<unknown, CodexError.CallError>, os = "unix") =>
  Workspace.layer.pipe(
    Layer.provide(
      Layer.mock(AppServerRpc.AppServerRpc)({
        ...server(os),
        request: ((method: string) => request(method)) as never,
        notifications: Stream.never
      })
    )
  )

const refusing = (detail: string, os?: string) =>
  answering((method) => Effect.fail(new CodexError.RpcError({ method, code: -32603, detail })), os)

describe("an error of the operating system", () => {
  const reasonOn = (osError: number, os?: string) =>
    Effect.gen(function*() {
      const files = yield* Workspace.Workspace
      const error = yield* Effect.flip(files.writeFile("/a", "x"))
      assert.instanceOf(error, CodexError.FileError)
      assert.strictEqual(error.osError, osError)
      assert.isFalse(error.isRetryable)
      return error.reason
    }).pipe(Effect.provide(refusing(`whatever it says (os error ${osError})`, os)))

  it.effect("is known by its number, which depends on the system", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* reasonOn(13), "permissionDenied")
      assert.strictEqual(yield* reasonOn(5), "other")
      assert.strictEqual(yield* reasonOn(5, "windows"), "permissionDenied")
      assert.strictEqual(yield* reasonOn(30), "readOnly")
      assert.strictEqual(yield* reasonOn(28), "noSpace")
      assert.strictEqual(yield* reasonOn(112, "windows"), "noSpace")
      assert.strictEqual(yield* reasonOn(66), "notEmpty")
    }))

  it.effect("is not seen in a refusal that quotes one", () =>
    Effect.gen(function*() {
      const files = yield* Workspace.Workspace
      const error = yield* Effect.flip(files.readFile("/a"))
      assert.strictEqual(error._tag, "RpcError")
    }).pipe(Effect.provide(refusing("cannot parse \"(os error 2)\" as a path"))))
})

describe("an answer that does not fit", () => {
  it.effect("fails the call", () =>
    Effect.gen(function*() {
      const files = yield* Workspace.Workspace
      const error = yield* Effect.flip(files.readFile("/a"))
      assert.deepInclude(error, { _tag: "DecodeError", method: "fs/readFile" })
    }).pipe(Effect.provide(answering(() => Effect.succeed({ dataBase64: "%" })))))

  it.effect("fails a command whose output is lost", () =>
    Effect.gen(function*() {
      const commands = yield* Workspace.Workspace
      const error = yield* Effect.flip(commands.run(["true"]))
      assert.deepInclude(error, { _tag: "DecodeError", method: "command/exec" })
    }).pipe(Effect.provide(
      Workspace.layer.pipe(Layer.provide(
        Layer.mock(AppServerRpc.AppServerRpc)({
          ...server("unix"),
          request: (() => Effect.never) as never,
          notifications: Stream.make({
            _tag: "command/exec/outputDelta",
            params: { processId: "effect-codex-command-1", stream: "stdout", deltaBase64: "%", capReached: false }
          })
        })
      ))
    )))
})

describe("a mock", () => {
  it.effect("has what it is given, and dies with the name of anything else", () =>
    Effect.gen(function*() {
      const workspace = yield* Workspace.Workspace
      assert.strictEqual(yield* workspace.readText("/a"), "text")
      const cause = yield* Effect.flip(Effect.sandbox(workspace.run(["ls"])))
      assert.include(String(cause), "Workspace.run was used, and the mock does not have it")
    }).pipe(Effect.provide(CodexTest.mockWorkspace({ readText: () => Effect.succeed("text") }))))
})
