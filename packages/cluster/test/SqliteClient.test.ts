import { SqliteClient } from "@effect-codex/cluster"
import { NodeCrypto } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Ref, References, Schema } from "effect"
import { ClusterWorkflowEngine, SingleRunner } from "effect/cluster"
import { SqlClient, type SqlError } from "effect/sql"
import { Activity, DurableDeferred, Workflow } from "effect/workflow"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { alone } from "../src/internal/sqliteConnection.ts"
import { temporaryFolder } from "./support/temporaryFolder.ts"

const clientOn = (folder: string, options?: { readonly lockTimeout: "100 millis" }) =>
  Effect.map(
    Layer.build(Layer.fresh(SqliteClient.layer({ filename: `${folder}/test.sqlite`, ...options }))),
    Context.get(SqlClient.SqlClient)
  )

const table = Effect.fnUntraced(function*(folder: string) {
  const sql = yield* clientOn(folder)
  yield* sql`CREATE TABLE pets (name TEXT PRIMARY KEY, owner TEXT UNIQUE, age INTEGER, photo BLOB)`
  return sql
})

describe("SqliteClient", () => {
  it.effect("stores text, numbers, bytes, dates, booleans and nothing", () =>
    Effect.gen(function*() {
      const sql = yield* table(yield* temporaryFolder)
      const rows = yield* sql`INSERT INTO pets ${
        sql.insert([
          { name: "a\0b", owner: new Date(0), age: true, photo: new Uint8Array([0, 255]) },
          { name: "big", owner: undefined, age: 2 ** 40, photo: null }
        ]).returning("*")
      }`
      assert.deepStrictEqual(rows.map((row) => ({ ...row })), [
        { name: "a\0b", owner: "1970-01-01T00:00:00.000Z", age: 1, photo: new Uint8Array([0, 255]) },
        { name: "big", owner: null, age: 2 ** 40, photo: null }
      ])
      assert.deepStrictEqual(yield* sql`SELECT name, age FROM pets ORDER BY age`.values, [["a\0b", 1], [
        "big",
        2 ** 40
      ]])
      const [ids] = yield* sql`SELECT 9007199254740993 AS id`.pipe(Effect.provideService(SqlClient.SafeIntegers, true))
      assert.deepStrictEqual({ ...ids }, { id: 9007199254740993n })
    }))

  it.effect("tells a duplicate, other constraints, wrong SQL and wrong parameters apart", () =>
    Effect.gen(function*() {
      const sql = yield* table(yield* temporaryFolder)
      yield* sql`INSERT INTO pets ${sql.insert({ name: "rex", owner: "ann" })}`
      const reasonOf = <A>(statement: Effect.Effect<A, SqlError.SqlError>) =>
        Effect.map(Effect.flip(statement), ({ reason }) => reason)
      const byKey = yield* reasonOf(sql`INSERT INTO pets ${sql.insert({ name: "rex" })}`)
      const byIndex = yield* reasonOf(sql`INSERT INTO pets ${sql.insert({ name: "max", owner: "ann" })}`)
      assert.deepInclude({ ...byKey }, { _tag: "UniqueViolation", constraint: "pets.name" })
      assert.deepInclude({ ...byIndex }, { _tag: "UniqueViolation", constraint: "pets.owner" })
      yield* sql`CREATE TABLE strict (age INTEGER CHECK (age > 0))`
      assert.strictEqual((yield* reasonOf(sql`INSERT INTO strict VALUES (${0})`))._tag, "ConstraintError")
      assert.strictEqual((yield* reasonOf(sql`SELEC 1`))._tag, "SqlSyntaxError")
      assert.strictEqual((yield* reasonOf(sql`SELECT ${{}}`))._tag, "UnknownError")
    }))

  it.effect("rolls back a transaction, or the part of it that failed", () =>
    Effect.gen(function*() {
      const sql = yield* table(yield* temporaryFolder)
      const add = (name: string) => sql`INSERT INTO pets ${sql.insert({ name })}`
      const failing = (name: string) => Effect.ignore(sql.withTransaction(Effect.andThen(add(name), Effect.fail("no"))))
      yield* failing("outer")
      yield* sql.withTransaction(Effect.andThen(add("kept"), failing("inner")))
      assert.deepStrictEqual(yield* sql`SELECT name FROM pets`.values, [["kept"]])
    }))

  it.effect("keeps other fibers' statements out of a transaction", () =>
    Effect.gen(function*() {
      const sql = yield* table(yield* temporaryFolder)
      const [inside, leave] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const rolledBack = yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`INSERT INTO pets ${sql.insert({ name: "rolled back" })}`
        yield* Deferred.succeed(inside, undefined)
        yield* Deferred.await(leave)
        return yield* Effect.fail("no")
      })).pipe(Effect.ignore, Effect.forkChild)
      yield* Deferred.await(inside)
      const other = yield* Effect.forkChild(sql`INSERT INTO pets ${sql.insert({ name: "kept" })}`)
      yield* Effect.yieldNow
      yield* Deferred.succeed(leave, undefined)
      yield* Effect.all([Fiber.join(rolledBack), Fiber.join(other)])
      assert.deepStrictEqual(yield* sql`SELECT name FROM pets`.values, [["kept"]])
    }))

  it.live("waits for the transaction of another process, without blocking this one", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const [one, two] = [yield* table(folder), yield* clientOn(folder)]
      const leave = yield* Deferred.make<void>()
      const inside = yield* Deferred.make<void>()
      const first = yield* one.withTransaction(Effect.gen(function*() {
        yield* one`INSERT INTO pets ${one.insert({ name: "first" })}`
        yield* Deferred.succeed(inside, undefined)
        yield* Deferred.await(leave)
      })).pipe(Effect.forkChild)
      yield* Deferred.await(inside)
      const second = yield* two.withTransaction(two`SELECT name FROM pets`.values).pipe(Effect.forkChild)
      yield* Deferred.succeed(leave, undefined)
      yield* Fiber.join(first)
      assert.deepStrictEqual(yield* Fiber.join(second), [["first"]])
    }))

  it.live("fails when another process keeps the lock, and when there is no folder", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const [one, two] = [yield* table(folder), yield* clientOn(folder, { lockTimeout: "100 millis" })]
      const error = yield* one.withTransaction(Effect.flip(two`INSERT INTO pets ${two.insert({ name: "x" })}`))
      assert.strictEqual(error.reason._tag, "LockTimeoutError")
      assert.isTrue(error.isRetryable)
      const missing = yield* Effect.flip(clientOn(`${folder}/missing`))
      assert.strictEqual(missing.reason._tag, "ConnectionError")
    }))

  it.live("keeps the lock of a runner from other processes while this one opens the file again", () =>
    Effect.gen(function*() {
      const filename = `${yield* temporaryFolder}/test.sqlite`
      yield* alone(filename)
      const waits = yield* Deferred.make<void>()
      const logger = Logger.make(() => Deferred.doneUnsafe(waits, Exit.void))
      yield* Effect.forkScoped(Effect.provide(alone(filename), Logger.layer([logger])))
      yield* Deferred.await(waits)
      const script = `const { DatabaseSync } = require("node:sqlite")
        try { new DatabaseSync(process.argv[1]).exec("BEGIN EXCLUSIVE") } catch ({ errcode }) { process.exit(errcode) }`
      const other = spawnSync(process.execPath, ["-e", script, `${filename}.lock`])
      // SQLITE_BUSY
      assert.strictEqual(other.status, 5)
    }).pipe(Effect.scoped))

  it.effect("creates a file that only its owner can read", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      yield* table(folder)
      const modes = Fs.readdirSync(folder).map((file) => Fs.statSync(`${folder}/${file}`).mode & 0o777)
      assert.deepStrictEqual(modes, [0o600, 0o600, 0o600])
    }))
})

const Approved = DurableDeferred.make("Approved", { success: Schema.String })
const Release = Workflow.make("Release", {
  payload: { version: Schema.String },
  success: Schema.String,
  idempotencyKey: ({ version }) => version
})

it.live("carries Effect's workflows from one process to the next", () =>
  Effect.gen(function*() {
    const folder = yield* temporaryFolder
    const built = yield* Ref.make(0)
    const waiting = yield* Deferred.make<void>()
    const body = Release.toLayer(Effect.fnUntraced(function*({ version }) {
      yield* Activity.make({ name: "build", execute: Ref.update(built, (n) => n + 1) })
      yield* Deferred.succeed(waiting, undefined)
      return `${version} for ${yield* DurableDeferred.await(Approved)}`
    }))
    const Process = body.pipe(
      Layer.provideMerge(ClusterWorkflowEngine.layer),
      Layer.provide(SingleRunner.layer({ shardingConfig: { shardsPerGroup: 8, entityTerminationTimeout: 0 } })),
      Layer.provide(NodeCrypto.layerDigest),
      Layer.provide(SqliteClient.layer({ filename: `${folder}/test.sqlite` })),
      Layer.fresh
    )
    const executionId = yield* Release.execute({ version: "1.0" }, { discard: true }).pipe(
      Effect.tap(() => Deferred.await(waiting)),
      Effect.provide(Process)
    )
    const token = DurableDeferred.tokenFromExecutionId(Approved, { workflow: Release, executionId })
    yield* DurableDeferred.succeed(Approved, { token, value: "all" }).pipe(Effect.provide(Process))
    assert.strictEqual(yield* Release.execute({ version: "1.0" }).pipe(Effect.provide(Process)), "1.0 for all")
    assert.strictEqual(yield* Ref.get(built), 1)
  }).pipe(
    // Effect warns of a runner that is not registered yet.
    Effect.provideService(References.MinimumLogLevel, "Error")
  ))
