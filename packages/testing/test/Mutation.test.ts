/** What a mutator makes of frames, in memory and in a process of its own. */
import { AppServerRpc, Codex, Transport } from "@effect-codex/client"
import { FakeAppServer, Mutation } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option, Queue } from "effect"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pieces } from "../src/internal/mutator.ts"

const [threadId, turnId] = ["thread-1", "turn-1"]

const told = (method: string, params: object) => JSON.stringify({ method, params: { threadId, turnId, ...params } })

const frames = [
  told("turn/started", { turn: { id: turnId, status: "inProgress", items: [] } }),
  told("item/started", { item: { id: "i", type: "agentMessage", text: "" } }),
  told("item/agentMessage/delta", { itemId: "i", delta: "Hel" }),
  told("item/completed", { item: { id: "i", type: "agentMessage", text: "Hello" } }),
  JSON.stringify({ id: 0, method: "item/tool/call", params: { threadId, turnId, arguments: { id: "A" } } }),
  JSON.stringify({ id: 1, result: { turn: { id: turnId, status: "inProgress" } } }),
  told("turn/completed", { turn: { id: turnId, status: "completed", error: null } })
]

/** The server's end, what the client has read so far, and what it reads next. */
const connect = Effect.fnUntraced(function*(options: Mutation.Options) {
  const [client, server] = yield* Transport.makeMemory
  const { mutator, transport } = yield* Mutation.make(client, options)
  const reads: Array<ReadonlyArray<string>> = []
  const come = yield* Queue.unbounded<void>()
  yield* transport.receive((frames) => {
    reads.push(frames)
    Queue.offerUnsafe(come, undefined)
  }).pipe(Effect.ignore, Effect.forkScoped({ startImmediately: true }))
  yield* transport.send(JSON.stringify({ id: 1, method: "turn/start", params: {} }))
  const sent = yield* Queue.unbounded<string>()
  yield* server.receive((frames) => void Queue.offerAllUnsafe(sent, frames)).pipe(
    Effect.ignore,
    Effect.forkScoped({ startImmediately: true })
  )
  yield* Queue.take(sent)
  return { server, transport, reads, come: Queue.take(come), sent, made: mutator.made }
})

/** All that is read of the frames when each of them is changed, later ones included. */
const read = (options: Omit<Mutation.Options, "rate">, texts: ReadonlyArray<string> = frames) =>
  Effect.scoped(Effect.gen(function*() {
    const { come, made, reads, server } = yield* connect({ ...options, rate: 1 })
    yield* server.sendAll(texts)
    // The last frame is never changed, so that there is always a read.
    yield* server.send("[\"end\"]")
    while (!reads.flat().includes("[\"end\"]")) yield* come
    yield* TestClock.adjust("1 second")
    return { frames: reads.flat().filter((frame) => frame !== "[\"end\"]"), reads, made: yield* made }
  }))

const methodsOf = (texts: ReadonlyArray<string>) =>
  texts.map((text): unknown => {
    const { id, method }: { id?: unknown; method?: unknown } = JSON.parse(text)
    return method ?? id
  })

describe("a seed", () => {
  it.effect("makes the same mutations in each run, and another one makes others", () =>
    Effect.gen(function*() {
      const run = (seed: number) => Effect.map(read({ seed }), ({ frames, made }) => [frames, made])
      assert.deepStrictEqual(yield* run(1), yield* run(1))
      assert.notDeepEqual(yield* run(1), yield* run(2))
    }))

  it.effect("makes them of a frame whatever comes between", () =>
    Effect.gen(function*() {
      const other = told("thread/name/updated", { threadName: "x" })
      const kinds = Mutation.harmful.filter((kind) => kind !== "reorder")
      const alone = yield* read({ seed: 3, kinds })
      const among = yield* read({ seed: 3, kinds }, frames.flatMap((frame) => [other, frame]))
      assert.deepStrictEqual(among.made.filter(({ frame }) => !frame.includes("thread/name/updated")), alone.made)
    }))

  it.effect("changes only the methods that are named, no more than the limit, and with a rate of 0 nothing", () =>
    Effect.gen(function*() {
      const named = yield* read({
        seed: 1,
        kinds: ["unknownMethod", "unknownField"],
        methods: ["turn/started", "turn/start"]
      })
      assert.deepStrictEqual(named.made.map(({ frame }) => frame), ["notification turn/started", "reply to turn/start"])
      const limited = yield* read({ seed: 1, limit: 2 })
      assert.strictEqual(limited.made.length, 2)
      const { made, server, reads, come } = yield* connect({ seed: 1, rate: 0 })
      yield* server.sendAll(frames)
      yield* come
      assert.deepStrictEqual([reads, yield* made], [[frames], []])
    }).pipe(Effect.scoped))
})

describe("kinds", () => {
  const of = (kind: Mutation.Kind, seed = 1) => read({ seed, kinds: [kind] })
  const values = (texts: ReadonlyArray<string>): ReadonlyArray<unknown> =>
    texts.map((text): unknown => JSON.parse(text))

  it.effect("that are harmless leave each frame as it was, or with more in it", () =>
    Effect.gen(function*() {
      for (let seed = 1; seed <= 20; seed++) {
        const { frames: came, made } = yield* read({ seed, kinds: Mutation.harmless })
        assert.isAbove(made.length, 0)
        const strip = (value: unknown): unknown =>
          JSON.parse(JSON.stringify(value, (key, member: unknown) => key === "notYetKnown" ? undefined : member))
        const known = came.flatMap((text) => {
          try {
            return [JSON.stringify(strip(JSON.parse(text)))]
          } catch {
            return []
          }
        })
        for (const frame of frames) assert.include(known, frame)
        // A tool gets its arguments as the model has written them.
        assert.isTrue(known.some((text) => text.includes("\"arguments\":{\"id\":\"A\"}")))
      }
    }))

  it.effect("add what nobody knows", () =>
    Effect.gen(function*() {
      assert.include((yield* of("unknownField")).frames.join(), "notYetKnown")
      const notifications = methodsOf((yield* of("unknownNotification")).frames)
      assert.strictEqual(notifications.filter((method) => method === "thread/notYetKnown").length, frames.length)
      const items = methodsOf((yield* of("unknownItem")).frames)
      // Before each of the item's three notifications.
      assert.strictEqual(items.filter((method) => method === "item/completed").length, 1 + 3)
    }))

  it.effect("repeat and rename, but repeat no piece of a text", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        methodsOf((yield* of("duplicate")).frames),
        frames.flatMap((frame) =>
          /delta|"id":1/.test(frame.slice(0, 40)) ? methodsOf([frame]) : methodsOf([frame, frame])
        )
      )
      const renamed = methodsOf((yield* of("unknownMethod")).frames)
      assert.strictEqual(renamed.filter((method) => String(method).endsWith("/notYetKnown")).length, 5)
    }))

  it.effect("add noise and blank lines", () =>
    Effect.gen(function*() {
      for (const kind of ["noise", "blankLine"] as const) {
        const { frames: came } = yield* of(kind)
        assert.strictEqual(came.length, 2 * frames.length)
        assert.deepStrictEqual(came.filter((_, index) => index % 2 === 1), frames)
      }
    }))

  it.effect("cut a read", () =>
    Effect.gen(function*() {
      const { reads } = yield* of("chunks")
      assert.deepStrictEqual(reads.slice(0, frames.length), frames.map((frame) => [frame]))
    }))

  it.effect("change, drop and empty a key", () =>
    Effect.gen(function*() {
      const expected = { enumValue: "became \"notYetKnown\"", dropKey: "was dropped", nullKey: "became null" }
      for (const [kind, change] of Object.entries(expected)) {
        const { frames: came, made } = yield* read({ seed: 1, kinds: [kind as Mutation.Kind] })
        assert.strictEqual(came.length, frames.length)
        assert.isAbove(made.length, 3)
        for (const mutation of made) assert.include(Mutation.show(mutation), change)
        const changed = came.filter((frame) => !frames.includes(frame))
        assert.strictEqual(changed.length, made.length)
      }
      const retyped = yield* of("retypeKey")
      assert.strictEqual(values(retyped.frames).length, frames.length)
      assert.match(retyped.made.map(Mutation.show).join("\n"), /retypeKey: \S+ of .* string became number/)
    }))

  it.effect("let others pass", () =>
    Effect.gen(function*() {
      const names = methodsOf(frames)
      for (const kind of ["late", "reorder", "slowReply"] as const) {
        const { frames: came, made } = yield* of(kind)
        assert.sameMembers(methodsOf(came), names)
        assert.isAbove(made.length, 0)
      }
      assert.strictEqual(methodsOf((yield* of("slowReply")).frames).at(-1), 1)
      const twice = methodsOf((yield* of("lateDuplicate")).frames)
      assert.deepStrictEqual(twice.slice(0, names.length), names)
      assert.strictEqual(twice.length, names.length + 5)
    }))

  it.effect("that ask take the answer, which the server has not asked for", () =>
    Effect.gen(function*() {
      const { come, reads, sent, server, transport } = yield* connect({ seed: 1, kinds: ["unknownRequest"], rate: 1 })
      yield* server.send(frames[0]!)
      yield* come
      const request: { id: unknown; method: unknown } = JSON.parse(reads.flat()[0]!)
      assert.strictEqual(request.method, "thread/notYetKnown/request")
      yield* transport.send(JSON.stringify({ id: request.id, error: { code: -32601, message: "no" } }))
      yield* transport.send(JSON.stringify({ id: 0, result: {} }))
      assert.strictEqual(yield* Queue.take(sent), JSON.stringify({ id: 0, result: {} }))
    }).pipe(Effect.scoped))
})

describe("a client on a mutated fake", () => {
  const client = (options: Mutation.Options) =>
    Codex.layer().pipe(
      Layer.provide(AppServerRpc.layer()),
      Layer.provideMerge(Mutation.layer(options)),
      Layer.provide(FakeAppServer.layerTransport({ model: { answer: () => "Hello!" } }))
    )

  it.live("gets the right answer where no meaning was touched", () =>
    Effect.gen(function*() {
      for (let seed = 1; seed <= 10; seed++) {
        const { finalResponse } = yield* Effect.flatMap(Codex.Codex, (codex) => codex.startThread()).pipe(
          Effect.flatMap((thread) => thread.run("Say hello.")),
          Mutation.explain,
          Effect.provide(client({ seed, kinds: Mutation.harmless, rate: 0.7 }))
        )
        assert.deepStrictEqual(finalResponse, Option.some("Hello!"))
      }
    }))

  it.live("is told in the log what was changed when something fails, and only then", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logged = (effect: Effect.Effect<unknown, string, Mutation.Mutator>) =>
        effect.pipe(
          Effect.exit,
          Effect.provide(client({ seed: 7, kinds: ["noise"], rate: 1 })),
          Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]))
        )
      yield* logged(Mutation.explain(Effect.void))
      assert.notInclude(lines.join("\n"), "Seed 7")
      yield* logged(Mutation.explain(Effect.fail("no")))
      assert.match(
        lines.join("\n"),
        /Seed 7 made \d mutations:\n {2}noise: reply to initialize \(0\) .* came before it/
      )
    }))
})

describe("an executable", () => {
  /** A program in place of codex, written in the language of this one. */
  const program = Effect.fnUntraced(function*(code: string, options: Omit<Mutation.Options, "seed">) {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-codex-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const executable = join(folder, "it's codex")
    writeFileSync(executable, `#!${process.execPath}\n${code}`, { mode: 0o755 })
    return yield* Mutation.executable({ executable, seed: 1, ...options })
  })

  const run = (executable: string, args: ReadonlyArray<string>, input: string) =>
    Effect.promise(async () => {
      const child = spawn(executable, args)
      const said = { stdout: "", stderr: "" }
      for (const stream of ["stdout", "stderr"] as const) {
        child[stream].setEncoding("utf8").on("data", (text: string) => {
          said[stream] += text
        })
      }
      child.stdin.end(input)
      const [code, signal]: ReadonlyArray<unknown> = await once(child, "close")
      return { ...said, code, signal }
    })

  const lines = [
    told("item/started", { item: { text: "größer 😀" } }),
    "not JSON",
    told("turn/completed", { turn: {} })
  ]

  const echo = `process.stdin.setEncoding("utf8")
let all = ""
process.stdin.on("data", (text) => { all += text })
process.stdin.on("end", () => { process.stdout.write(all + process.argv.slice(2).join() + "\\n"); process.exitCode = 3 })`

  it.live("hands arguments, lines and the exit code on", () =>
    Effect.gen(function*() {
      const { executable, mutator } = yield* program(echo, { kinds: ["chunks"], rate: 1 })
      const { code, stdout } = yield* run(executable, ["app-server", "a b"], `${lines.join("\n")}\n`)
      assert.strictEqual(stdout, `${lines.join("\n")}\napp-server,a b\n`)
      assert.strictEqual(code, 3)
      assert.deepStrictEqual((yield* mutator.made).map(({ frame, kind }) => [kind, frame]), [
        ["chunks", "notification item/started"],
        ["chunks", "notification turn/completed"]
      ])
    }).pipe(Effect.scoped))

  it("writes pieces that are cut anywhere, also within a character", () => {
    const text = "größer 😀 ".repeat(20)
    const isWhole = new Set<boolean>()
    for (let seed = 1; seed <= 10; seed++) {
      const cut = pieces(Buffer.from(text), seed)
      assert.isAbove(cut.length, 1)
      assert.strictEqual(Buffer.concat(cut).toString(), text)
      for (const piece of cut) isWhole.add(!Buffer.from(piece).toString().includes("\uFFFD"))
    }
    assert.sameMembers([...isWhole], [true, false])
  })

  it.live("ends as the program does, by a signal too, and is removed with its scope", () =>
    Effect.gen(function*() {
      const executable = yield* Effect.scoped(Effect.gen(function*() {
        const { executable } = yield* program("process.kill(process.pid, \"SIGKILL\")", { kinds: [] })
        assert.strictEqual((yield* run(executable, [], "")).signal, "SIGKILL")
        return executable
      }))
      assert.isFalse(existsSync(executable))
    }))

  it.live("says on stderr that the program cannot be started", () =>
    Effect.gen(function*() {
      const { executable } = yield* Mutation.executable({ executable: "/nowhere/codex", seed: 1 })
      const { code, stderr } = yield* run(executable, [], "")
      assert.strictEqual(code, 1)
      assert.include(stderr, "/nowhere/codex cannot be started")
    }).pipe(Effect.scoped))
})
