import { SessionStore, SqliteClient } from "@effect-codex/cluster"
import { PgClient } from "@effect/sql-pg"
import { assert, it, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as Fs from "node:fs"
import * as Postgres from "./support/postgres.ts"
import { storeContract, textsOf, TwoClients, unique } from "./support/storeContract.ts"
import { temporaryFolder } from "./support/temporaryFolder.ts"

const build = <E>(store: Layer.Layer<SessionStore.SessionStore, E>) =>
  Effect.map(Layer.build(Layer.fresh(store)), Context.get(SessionStore.SessionStore))

const onSqlite = (filename: string) =>
  build(SessionStore.layerSql().pipe(Layer.provide(SqliteClient.layer({ filename }))))

const onPostgres = (options?: SessionStore.SqlOptions, applicationName = "store") =>
  Effect.flatMap(Postgres.Postgres, (server) => {
    const client = PgClient.layer({ ...server.options, applicationName })
    return build(SessionStore.layerSql(options).pipe(Layer.provide(client)))
  })

/** Both start at once, as machines do. */
const twoClients = <A extends SessionStore.SessionStore["Service"], E, R>(store: Effect.Effect<A, E, R>) =>
  Layer.effect(TwoClients, Effect.all([store, store], { concurrency: 2 }))

const real = { excludeTestServices: true }

const InMemory = Layer.effect(
  TwoClients,
  Effect.map(build(SessionStore.layerMemory), (store) => [store, store] as const)
)
layer(InMemory, real)("in memory", (it) => storeContract(it.effect))

const OnSqlite = Layer.unwrap(
  Effect.map(temporaryFolder, (folder) => twoClients(onSqlite(`${folder}/sessions.sqlite`)))
)
layer(OnSqlite, real)("on SQLite", (it) => storeContract(it.effect))

it.live("overwrites what is forgotten in a SQLite file", () =>
  Effect.gen(function*() {
    const filename = `${yield* temporaryFolder}/sessions.sqlite`
    const secret = "a-secret ".repeat(1000)
    const contains = Effect.sync(() => Fs.readFileSync(filename).includes("a-secret"))
    const lines = { threadId: "t", file: "a.jsonl", line: 0, lines: ["short a-secret", secret] }
    yield* Effect.scoped(Effect.flatMap(onSqlite(filename), (store) => store.append(lines)))
    assert.isTrue(yield* contains)
    yield* Effect.scoped(Effect.flatMap(onSqlite(filename), (store) => store.forget("t")))
    assert.isFalse(yield* contains)
  }))

const OnPostgres = Layer.provideMerge(twoClients(onPostgres()), Postgres.layerServer)
// A machine that is busy needs long to set up a database.
layer(OnPostgres, { ...real, timeout: "1 minute" })("on PostgreSQL", (it) => {
  storeContract(it.effect)

  const begun = { file: "a.jsonl", line: 0, lines: ["0"] }

  it.effect("fails with a typed error while the database is down, and works when it is back", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.Postgres
      const store = yield* onPostgres()
      const threadId = yield* unique
      yield* store.append({ threadId, ...begun })
      yield* server.stop
      const next = store.append({ threadId, file: "a.jsonl", line: 1, lines: ["1"] })
      const isUnavailable = (error: { readonly _tag: string }) =>
        assert.strictEqual(error._tag, "SessionStoreUnavailable")
      isUnavailable(yield* Effect.flip(next))
      isUnavailable(yield* Effect.flip(store.lookup("key")))
      isUnavailable(yield* Effect.flip(Stream.runCollect(store.load(threadId))))
      isUnavailable(yield* Effect.flip(store.forget(threadId)))
      assert.strictEqual((yield* Effect.flip(onPostgres()))._tag, "SessionStoreUnavailable")
      yield* server.start
      yield* next
      assert.deepStrictEqual(yield* textsOf(store, threadId), ["0", "1"])
    }))

  it.effect("gives up an append that waits for a lock, and an append whose connection is cut stores nothing", () =>
    Effect.gen(function*() {
      const server = yield* Postgres.Postgres
      const store = yield* onPostgres({ timeout: "200 millis" })
      const threadId = yield* unique
      yield* store.append({ threadId, ...begun })
      const next = store.append({ threadId, file: "a.jsonl", line: 1, lines: ["1"] })
      const [locked, leave] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const sql = Context.get(yield* Layer.build(PgClient.layer(server.options)), SqlClient.SqlClient)
      const holder = yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`SELECT 1 FROM codex_session_files WHERE thread_id = ${threadId} FOR UPDATE`
        yield* Deferred.succeed(locked, undefined)
        yield* Deferred.await(leave)
      })).pipe(Effect.exit, Effect.forkChild)
      yield* Deferred.await(locked)
      assert.strictEqual((yield* Effect.flip(next))._tag, "SessionStoreUnavailable")
      const patient = yield* onPostgres({}, "patient")
      const waiting = yield* Effect.forkChild(Effect.flip(patient.append({ threadId, ...begun, line: 1 })))
      yield* sql`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'patient'`.pipe(
        Effect.repeat({ until: (rows) => rows.length > 0 })
      )
      yield* server.restart
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "SessionStoreUnavailable")
      yield* Deferred.succeed(leave, undefined)
      yield* Fiber.join(holder)
      yield* next
      assert.deepStrictEqual(yield* textsOf(store, threadId), ["0", "1"])
    }))
})
