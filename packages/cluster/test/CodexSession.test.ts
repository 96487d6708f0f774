/** Histories that are carried to a store in memory and back, on files that no codex writes. */
import { AppServerRpc, type ServerInfo } from "@effect-codex/client"
import { CodexSession, Metrics, SessionStore } from "@effect-codex/cluster"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, Logger, Metric, Queue, Ref, Schema, Scope, Stream } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const threadId = "01a227d5-ba98-7660-b852-ee6e08cee3e8"
const folder = "sessions/2026/11/29"
const file = `${folder}/rollout-2026-11-29T15-04-08-${threadId}.jsonl`
/** The file that a revert begins three days later. */
const reverted =
  `sessions/2026/12/02/rollout-2026-12-02T01-00-00-${threadId}_01a233f8-8e00-7dc0-bf7d-2b5b07716d16.jsonl`

const forkId = "01a227d5-c152-7583-a965-349795dbeb92"
const fork = `${folder}/rollout-2026-11-29T15-04-09-${forkId}.jsonl`

const temporaryHome = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "codex-session-"))),
  (home) => Effect.sync(() => Fs.rmSync(home, { recursive: true }))
)

type Notification = Stream.Success<AppServerRpc.AppServerRpc["Service"]["notifications"]>

/** A machine: a home, a connection to a codex that knows where its thread lies, and the session. */
const machine = Effect.fn(function*(options?: CodexSession.Options) {
  const home = yield* temporaryHome
  const notifications = yield* Queue.unbounded<Notification>()
  const at = (name: string) => Path.join(home, name)
  const currentOf = (id: string) => {
    if (id === forkId) return fork
    return Fs.existsSync(at(reverted)) ? reverted : file
  }
  const Rpc = Layer.mock(AppServerRpc.AppServerRpc, {
    serverInfo: {
      codexHome: home,
      version: "",
      userAgent: "",
      platformFamily: "",
      platformOs: ""
    } satisfies ServerInfo.ServerInfo,
    restarts: 0,
    notifications: Stream.fromQueue(notifications),
    request: ((method: string, params: { readonly threadId?: string }) =>
      Effect.succeed<unknown>(
        method === "thread/list"
          ? { data: [], nextCursor: null }
          : { thread: { path: at(currentOf(params.threadId ?? "")), parentThreadId: null } }
      )) as AppServerRpc.AppServerRpc["Service"]["request"]
  })
  const context = yield* Layer.build(
    Layer.fresh(CodexSession.layer(options)).pipe(Layer.provide([Rpc, NodeServices.layer]))
  )
  return {
    at,
    session: Context.get(context, CodexSession.CodexSession),
    append: (name: string, text: string | Uint8Array) => {
      Fs.mkdirSync(Path.dirname(at(name)), { recursive: true })
      Fs.appendFileSync(at(name), text)
    },
    tell: (method: string) => Queue.offerUnsafe(notifications, { _tag: method, params: { threadId } } as Notification)
  }
})

const stored = Effect.fn(function*(name = file) {
  const store = yield* SessionStore.SessionStore
  const chunks = yield* Stream.runCollect(store.load(threadId))
  return chunks.filter((chunk) => chunk.file === name).flatMap(({ lines }) => lines)
})

const onStore = (
  name: string,
  test: Effect.Effect<void, unknown, SessionStore.SessionStore | Scope.Scope>
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(Layer.fresh(SessionStore.layerMemory))))

/** The store, with every call of `append` behind a gate. */
const withAppend =
  (append: SessionStore.SessionStore["Service"]["append"]) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(
      SessionStore.SessionStore,
      (store) => Effect.provideService(effect, SessionStore.SessionStore, { ...store, append })
    )

const down = new SessionStore.SessionStoreUnavailable({ operation: "append lines", cause: "down" })

describe("a file", () => {
  const texts = Schema.NonEmptyArray(Schema.Literals(["", "a", "{\"ordinal\":1}", "ä€", "🙂🙂", "x".repeat(40)]))
  const cuts = Schema.Array(Schema.Struct({
    bytes: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 90 })),
    restarts: Schema.Boolean
  }))
  it.live.prop(
    "is stored line by line, however it is written and however often the follower restarts",
    { lines: texts, cuts },
    ({ cuts, lines }) =>
      Effect.gen(function*() {
        const { append, session } = yield* machine()
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""))
        const begin = Effect.gen(function*() {
          const scope = yield* Scope.make()
          return { scope, followed: yield* Scope.provide(session.follow({ id: threadId }), scope) }
        })
        let follower = yield* begin
        let at = 0
        for (const cut of cuts) {
          append(file, bytes.subarray(at, at + cut.bytes))
          at += cut.bytes
          if (cut.restarts) {
            yield* Scope.close(follower.scope, Exit.void)
            follower = yield* begin
          }
          yield* follower.followed.flush
          const whole = bytes.subarray(0, at).filter((byte) => byte === 10).length
          assert.deepStrictEqual(yield* stored(), lines.slice(0, whole))
        }
        append(file, bytes.subarray(at))
        yield* Scope.close(follower.scope, Exit.void)
        assert.deepStrictEqual(yield* stored(), [...lines])
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(SessionStore.layerMemory))),
    { arbitrary: { runs: 25 } }
  )

  onStore(
    "with lines of many megabytes comes back byte for byte",
    Effect.gen(function*() {
      const [a, b] = [yield* machine(), yield* machine()]
      const lag = yield* Metric.value(Metrics.flushLag)
      const lines = ["x", "ä".repeat(1_600_000), "", "y".repeat(1024 * 1024), "z".repeat(1024 * 1024 - 1)]
      a.append(file, lines.map((line) => `${line}\n`).join("") + "half a li")
      yield* Effect.scoped(a.session.follow({ id: threadId }))
      assert.strictEqual((yield* Metric.value(Metrics.flushLag)).count, lag.count + 1)
      assert.isTrue(yield* b.session.restore(threadId))
      const whole = Buffer.from(lines.map((line) => `${line}\n`).join(""))
      assert.isTrue(Fs.readFileSync(b.at(file)).equals(whole))
      const { ino } = Fs.statSync(b.at(file))
      yield* b.session.restore(threadId)
      assert.strictEqual(Fs.statSync(b.at(file)).ino, ino)
      Fs.truncateSync(b.at(file), 4_000_000)
      yield* b.session.restore(threadId)
      assert.isTrue(Fs.readFileSync(b.at(file)).equals(whole))
      assert.deepStrictEqual(Fs.readdirSync(b.at(folder)), [Path.basename(file)])
      Fs.writeFileSync(b.at(file), Buffer.from(whole).fill("?", 4_000_000, 4_000_001))
      yield* b.session.restore(threadId)
      assert.isTrue(Fs.readFileSync(b.at(file)).equals(whole))
      assert.lengthOf(Fs.readdirSync(b.at(folder)), 2)
    })
  )

  onStore(
    "that begins with a revert is found, and stored to its end when the scope closes",
    Effect.gen(function*() {
      const { append, session } = yield* machine()
      append(file, "1\n2\n")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* session.follow({ id: threadId })
        append(reverted, "r1\n")
        append(file, "3\n")
      }))
      assert.deepStrictEqual([yield* stored(), yield* stored(reverted)], [["1", "2", "3"], ["r1"]])
    })
  )

  onStore(
    "that a revert of another day has left is stored though nobody followed it",
    Effect.gen(function*() {
      const { append, session } = yield* machine()
      append(file, "1\n")
      const first = JSON.stringify({ payload: { history_base: { thread_id: threadId } } })
      append(reverted, `${first}\n`)
      yield* Effect.scoped(session.follow({ id: threadId }))
      assert.deepStrictEqual([yield* stored(), yield* stored(reverted)], [["1"], [first]])
    })
  )

  onStore(
    "of a thread that was archived is stored to its end",
    Effect.gen(function*() {
      const { append, at, session } = yield* machine()
      append(file, "1\n")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* session.follow({ id: threadId })
        append(file, "2\n")
        Fs.mkdirSync(at("archived_sessions"))
        Fs.renameSync(at(file), at(`archived_sessions/${Path.basename(file)}`))
      }))
      assert.deepStrictEqual(yield* stored(), ["1", "2"])
    })
  )

  onStore(
    "is stored again when the store has lost it",
    Effect.gen(function*() {
      const { append, session } = yield* machine()
      append(file, "1\n2\n")
      const followed = yield* session.follow({ id: threadId })
      yield* (yield* SessionStore.SessionStore).forget(threadId)
      append(file, "3\n")
      yield* followed.flush
      assert.deepStrictEqual(yield* stored(), ["1", "2", "3"])
    })
  )
})

describe("a fork", () => {
  onStore(
    "is stored with its source, though nobody follows that, and restored with it",
    Effect.gen(function*() {
      const [a, b] = [yield* machine(), yield* machine()]
      const first = JSON.stringify({ type: "session_meta", payload: { id: forkId, forked_from_id: threadId } })
      a.append(file, "1\n2\n")
      a.append(fork, `${first}\n`)
      yield* Effect.scoped(a.session.follow({ id: forkId }))
      yield* b.session.restore(forkId)
      assert.strictEqual(Fs.readFileSync(b.at(file), "utf8"), "1\n2\n")
      assert.strictEqual(Fs.readFileSync(b.at(fork), "utf8"), `${first}\n`)
    })
  )
})

describe("the end of a turn, or of its commands", () => {
  onStore(
    "stores its lines at once, however long flushInterval is",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const appended = yield* Queue.unbounded<string>()
      yield* Effect.gen(function*() {
        const { append, session, tell } = yield* machine({ flushInterval: "1 hour" })
        yield* session.follow({ id: threadId })
        append(file, "1\n")
        tell("turn/started")
        assert.strictEqual(yield* Queue.take(appended), "1")
        append(file, "2\n")
        tell("turn/completed")
        assert.strictEqual(yield* Queue.take(appended), "2")
        append(file, "3\n")
        tell("thread/tokenUsage/updated")
        assert.strictEqual(yield* Queue.take(appended), "3")
      }).pipe(
        withAppend((lines) =>
          Effect.tap(store.append(lines), () => Effect.sync(() => Queue.offerAllUnsafe(appended, lines.lines)))
        )
      )
    })
  )
})

describe("a store that is down", () => {
  onStore(
    "delays what is stored, is told of once, and loses nothing",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const isDown = yield* Ref.make(false)
      const failures = yield* Ref.make(0)
      const failedThrice = yield* Deferred.make<void>()
      const warnings: Array<unknown> = []
      const isBack = yield* Deferred.make<void>()
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel === "Warn") warnings.push(message)
        else Deferred.doneUnsafe(isBack, Effect.void)
      })
      const outages = yield* Metric.value(Metrics.storeOutages)
      yield* Effect.gen(function*() {
        const { append, session, tell } = yield* machine({ flushInterval: "5 millis" })
        const followed = yield* session.follow({ id: threadId })
        yield* Ref.set(isDown, true)
        append(file, "1\n")
        tell("turn/started")
        yield* Deferred.await(failedThrice)
        append(file, "2\n")
        assert.strictEqual((yield* Effect.flip(followed.flush))._tag, "SessionStoreUnavailable")
        yield* Ref.set(isDown, false)
        yield* Deferred.await(isBack)
        assert.deepStrictEqual(yield* stored(), ["1", "2"])
      }).pipe(
        withAppend((lines) =>
          Effect.gen(function*() {
            if (!(yield* Ref.get(isDown))) return yield* store.append(lines)
            if ((yield* Ref.updateAndGet(failures, (n) => n + 1)) === 3) {
              yield* Deferred.succeed(failedThrice, undefined)
            }
            return yield* down
          })
        ),
        Effect.provide(Logger.layer([logger]))
      )
      assert.lengthOf(warnings, 1)
      assert.strictEqual((yield* Metric.value(Metrics.storeOutages)).count, outages.count + 1)
    })
  )

  onStore(
    "and hangs keeps nobody longer than closeTimeout, and what is missing is said and stored by the next follower",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const hangs = yield* Ref.make(false)
      const warnings: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) =>
        void (logLevel === "Warn" && warnings.push(String(message)))
      )
      yield* Effect.gen(function*() {
        const { append, session } = yield* machine({ closeTimeout: "50 millis" })
        append(file, "1\n")
        yield* Effect.scoped(Effect.gen(function*() {
          const followed = yield* session.follow({ id: threadId })
          append(file, "12345\n")
          yield* Ref.set(hangs, true)
          assert.strictEqual((yield* Effect.flip(followed.flush))._tag, "SessionStoreUnavailable")
        }))
        assert.include(warnings.at(-1), "6 bytes")
        assert.deepStrictEqual(yield* stored(), ["1"])
        yield* Ref.set(hangs, false)
        yield* Effect.scoped(session.follow({ id: threadId }))
        assert.deepStrictEqual(yield* stored(), ["1", "12345"])
      }).pipe(
        withAppend((lines) => Effect.flatMap(Ref.get(hangs), (hang) => hang ? Effect.never : store.append(lines))),
        Effect.provide(Logger.layer([logger]))
      )
    })
  )
})

describe("another machine that has continued the thread", () => {
  const cases = {
    "with more lines": (store: SessionStore.SessionStore["Service"]) =>
      store.append({ threadId, file, line: 2, lines: ["theirs"] }),
    "with a revert": (store: SessionStore.SessionStore["Service"]) =>
      store.append({ threadId, file: reverted, line: 0, lines: ["theirs"] })
  }
  for (const [how, goOn] of Object.entries(cases)) {
    onStore(
      `${how} fences this one: at its next line, and when it begins to follow`,
      Effect.gen(function*() {
        const { append, session, tell } = yield* machine()
        const store = yield* SessionStore.SessionStore
        append(file, "1\n2\n")
        yield* Effect.scoped(Effect.gen(function*() {
          const followed = yield* session.follow({ id: threadId })
          yield* goOn(store)
          const before = yield* Stream.runCollect(store.load(threadId))
          const lost = yield* Metric.value(Metrics.fencedThreads)
          append(how === "with a revert" ? reverted : file, "mine\n")
          tell(how === "with a revert" ? "thread/reverted" : "item/completed")
          assert.strictEqual((yield* followed.fenced).threadId, threadId)
          assert.strictEqual((yield* Metric.value(Metrics.fencedThreads)).count, lost.count + 1)
          append(file, "more\n")
          assert.strictEqual((yield* Effect.flip(followed.flush))._tag, "SessionFenced")
          return before
        })).pipe(
          Effect.flatMap((before) =>
            Effect.map(Stream.runCollect(store.load(threadId)), (after) => assert.deepStrictEqual(after, before))
          )
        )
        assert.strictEqual((yield* Effect.flip(Effect.scoped(session.follow({ id: threadId }))))._tag, "SessionFenced")
      })
    )
  }

  onStore(
    "has what this one cannot follow: its file is shorter, or missing",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const [a, b] = [yield* machine(), yield* machine()]
      yield* store.append({ threadId, file, line: 0, lines: ["1", "1"] })
      a.append(file, "1\n")
      const error = yield* Effect.flip(Effect.scoped(a.session.follow({ id: threadId })))
      assert.deepInclude(error, { _tag: "SessionFenced", line: 1 })
      assert.deepInclude(yield* Effect.flip(Effect.scoped(b.session.follow({ id: threadId }))), { line: 0 })
    })
  )
})

describe("restore", () => {
  const own = { missing: undefined, torn: "1\n2", older: "1\n", same: "1\n2\n", newer: "1\n2\nmine\n" }
  for (const [what, local] of Object.entries(own)) {
    onStore(
      `completes a file that is ${what} here, keeps what only this machine has, and is followed on`,
      Effect.gen(function*() {
        const store = yield* SessionStore.SessionStore
        const { append, at, session } = yield* machine()
        yield* store.append({ threadId, file, line: 0, lines: ["1", "2"] })
        if (local !== undefined) append(file, local)
        assert.isTrue(yield* session.restore(threadId))
        assert.strictEqual(Fs.readFileSync(at(file), "utf8"), what === "newer" ? local : "1\n2\n")
        assert.deepStrictEqual(Fs.readdirSync(at(folder)), [Path.basename(file)])
        append(file, "next\n")
        yield* Effect.scoped(session.follow({ id: threadId }))
        assert.deepStrictEqual(yield* stored(), ["1", "2", ...what === "newer" ? ["mine"] : [], "next"])
      })
    )
  }

  onStore(
    "lets the store win over a file that differs, and over a revert that nobody has stored, and keeps them aside",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const { append, at, session } = yield* machine()
      yield* store.append({ threadId, file, line: 0, lines: ["1", "2"] })
      append(file, "1\nmine\n")
      append(reverted, "r\n")
      yield* session.restore(threadId)
      assert.strictEqual(Fs.readFileSync(at(file), "utf8"), "1\n2\n")
      const names = Fs.readdirSync(at("sessions"), { recursive: true, encoding: "utf8" })
      assert.deepStrictEqual(names.filter((name) => name.endsWith(".jsonl")), [file.slice("sessions/".length)])
      const kept = names.filter((name) => name.includes(".jsonl.kept-"))
      assert.sameMembers(kept.map((name) => Fs.readFileSync(at(`sessions/${name}`), "utf8")), ["1\nmine\n", "r\n"])
    })
  )

  for (
    const name of [
      "sessions/../../evil.jsonl",
      "/etc/evil.jsonl",
      "sessions\\..\\evil.jsonl",
      "config.toml",
      "sessions/x/evil.toml",
      "sessions//x.jsonl",
      "archived_sessions/x.jsonl",
      // The files of another thread.
      fork,
      `${folder}/rollout-2026-11-29T15-04-09-${forkId}_${threadId}.jsonl`
    ]
  ) {
    onStore(
      `writes no file that the store names ${name}`,
      Effect.gen(function*() {
        const store = yield* SessionStore.SessionStore
        const { at, session } = yield* machine()
        yield* store.append({ threadId, file: name, line: 0, lines: ["evil"] })
        const error = yield* Effect.flip(session.restore(threadId))
        assert.deepInclude(error, { _tag: "SessionFileError", operation: "place", file: name })
        assert.deepStrictEqual(Fs.readdirSync(at(".")), [])
      })
    )
  }

  onStore(
    "fails with the file that it cannot write, and leaves nothing half written",
    Effect.gen(function*() {
      const store = yield* SessionStore.SessionStore
      const { at, session } = yield* machine()
      yield* store.append({ threadId, file, line: 0, lines: ["1"] })
      Fs.writeFileSync(at("sessions"), "in the way")
      assert.deepInclude(yield* Effect.flip(session.restore(threadId)), { operation: "write", file })
      Fs.rmSync(at("sessions"))
      const Broken = { ...store, load: () => Stream.concat(store.load(threadId), Stream.fail(down)) }
      const other = yield* Effect.provideService(machine(), SessionStore.SessionStore, Broken)
      assert.strictEqual((yield* Effect.flip(other.session.restore(threadId)))._tag, "SessionStoreUnavailable")
      assert.deepStrictEqual(Fs.readdirSync(other.at(folder)), [])
      const unknown = Metric.withAttributes(Metrics.restores, { outcome: "unknown" })
      const before = yield* Metric.value(unknown)
      assert.isFalse(yield* session.restore("01a227d5-0000-7660-b852-ee6e08cee3e8"))
      assert.strictEqual((yield* Metric.value(unknown)).count, before.count + 1)
    })
  )
})
