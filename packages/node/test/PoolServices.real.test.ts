/** The services over a pool: logins that codex does not store, and what a process keeps only in memory. */
import { AppServerRpc, Auth, Codex, Extensions, Workspace } from "@effect-codex/client"
import { internalsOf } from "@effect-codex/client/internal/rpcInternals"
import { CodexPool } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Effect,
  FileSystem,
  Layer,
  Logger,
  Option,
  Redacted,
  Schedule,
  type Scope,
  Stream
} from "effect"
import * as Http from "node:http"
import type * as Net from "node:net"

type Services =
  | AppServerRpc.AppServerRpc
  | Auth.Auth
  | Codex.Codex
  | CodexHome.CodexHome
  | CodexPool.CodexPool
  | FileSystem.FileSystem
  | ScriptedModel.ScriptedModel

const wantsLogin = { config: { model_providers: { scripted: { requires_openai_auth: true } } } }

/** What codex asks of ChatGPT's backend. */
const backendUrl = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = Http.createServer((request, response) => {
        request.resume()
        response.setHeader("content-type", "application/json")
        // Codex insists on https here. Nothing listens there.
        const account = {
          id: "ws-1",
          workspace_backend_origin: "https://127.0.0.1:1",
          account_routing_override: "NO_CONSTRAINT"
        }
        response.end(JSON.stringify(request.url === "/backend-api/wham/accounts/check" ? { accounts: [account] } : {}))
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return server
    }),
    (server) =>
      Effect.promise(() => {
        server.closeAllConnections()
        return new Promise((resolve) => server.close(resolve))
      })
  ),
  (server) => `http://127.0.0.1:${(server.address() as Net.AddressInfo).port}`
)

const real = (
  name: string,
  over: <E, R>(
    pool: Layer.Layer<Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | CodexPool.CodexPool, E, R>
  ) => Layer.Layer<
    Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | CodexPool.CodexPool,
    unknown,
    R
  >,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  more: {
    readonly home?: CodexHome.Options
    readonly model?: ScriptedModel.Options
    readonly pool?: CodexPool.Options
  } = {}
) =>
  it.live(name, () =>
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const backend = yield* backendUrl
      yield* test.pipe(Effect.provide(over(CodexPool.layer({
        env: home.env,
        cwd: home.workspace,
        processes: 2,
        credentialsStore: "ephemeral",
        configOverrides: { chatgpt_base_url: `${backend}/backend-api/` },
        ...more.pool
      }))))
    }).pipe(
      Effect.scoped,
      Effect.provide([
        CodexHome.layer(more.home).pipe(
          Layer.provideMerge(ScriptedModel.layer(more.model ?? { answer: () => "done" }))
        ),
        NodeServices.layer,
        Logger.layer([])
      ])
    ))

const stats = Effect.flatMap(CodexPool.CodexPool, ({ stats }) => stats)

/** Kills a process, and waits until another has its place. */
const replace = Effect.fnUntraced(function*(index: number) {
  const before = (yield* stats).processes[index]!
  process.kill(before.pid, "SIGKILL")
  yield* Effect.repeat(Effect.delay(stats, "20 millis"), {
    until: ({ processes }) => processes[index]!.restarts > before.restarts && processes[index]!.state === "up"
  }).pipe(Effect.timeout("30 seconds"))
})

/** One turn in each process. */
const turns = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const threads = yield* Effect.forEach([0, 1], () => codex.startThread(), { concurrency: "unbounded" })
  return yield* Effect.forEach(threads, (thread) => thread.run("hi"), { concurrency: "unbounded" })
})

const bearers = Effect.flatMap(
  ScriptedModel.ScriptedModel,
  ({ requests }) =>
    Effect.map(
      requests,
      (all) => all.map(({ authorization }) => Option.getOrElse(Option.map(authorization, Redacted.value), () => "none"))
    )
)

/** Counts the logins that any process tells of, from now on. */
const logins = Effect.gen(function*() {
  const rpc = yield* AppServerRpc.AppServerRpc
  let count = 0
  yield* rpc.notifications.pipe(
    Stream.filter(({ _tag }) => _tag === "account/login/completed"),
    Stream.runForEach(() => Effect.sync(() => count++)),
    Effect.forkScoped({ startImmediately: true })
  )
  return Effect.sync(() => count)
})

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const jwt = (n: number) =>
  `${base64({ alg: "none", typ: "JWT" })}.${
    base64({
      n,
      "https://api.openai.com/auth": { chatgpt_account_id: "ws-1", chatgpt_plan_type: "pro", chatgpt_user_id: "user-1" }
    })
  }.c2ln`
const tokens = (n: number): Auth.ChatgptTokens => ({ accessToken: Redacted.make(jwt(n)), accountId: "ws-1" })

describe("a login over a pool", () => {
  real(
    "with a key is repeated for a process that is replaced, and for no other",
    (pool) =>
      Auth.layerApiKey(Config.Redacted("KEY")).pipe(
        Layer.provideMerge(pool),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ KEY: "sk-one" })))
      ),
    Effect.gen(function*() {
      yield* turns
      const count = yield* logins
      yield* replace(1)
      yield* turns
      assert.deepStrictEqual(yield* bearers, Array(4).fill("Bearer sk-one"))
      assert.strictEqual(yield* count, 1)
      yield* (yield* Auth.Auth).logout
      yield* replace(0)
      const { account } = yield* (yield* Auth.Auth).account()
      assert.isNull(account)
    }),
    { home: wantsLogin }
  )

  let given = 0
  real(
    "with tokens of this program is repeated too, and each process gets others when they are refused",
    (pool) =>
      Auth.layerExternalTokens(({ reason }) =>
        Effect.sync(() => {
          given++
          return tokens(reason === "login" ? 1 : 2)
        })
      ).pipe(Layer.provideMerge(pool)),
    Effect.gen(function*() {
      const results = yield* turns
      assert.deepStrictEqual(results.map(({ status }) => status), ["completed", "completed"])
      yield* replace(1)
      const again = yield* turns
      assert.deepStrictEqual(again.map(({ status }) => status), ["completed", "completed"])
      const all = yield* bearers
      assert.strictEqual(all.filter((bearer) => bearer === `Bearer ${jwt(2)}`).length, 4)
      assert.isAtLeast(given, 4)
    }),
    {
      home: wantsLogin,
      model: {
        answer: ({ authorization }) =>
          Option.exists(authorization, (one) => Redacted.value(one) === `Bearer ${jwt(1)}`)
            ? ScriptedModel.httpFailure(401, "expired")
            : "done"
      }
    }
  )
})

describe("a watch over a pool", () => {
  const watched = Effect.gen(function*() {
    const home = yield* CodexHome.CodexHome
    const fs = yield* FileSystem.FileSystem
    const rpc = yield* AppServerRpc.AppServerRpc
    const workspace = yield* Workspace.make
    let told = 0
    let toldByFirst = 0
    let seen = 0
    yield* rpc.notifications.pipe(
      Stream.filter(({ _tag }) => _tag === "fs/changed"),
      Stream.runForEach(() => Effect.sync(() => told++)),
      Effect.forkScoped({ startImmediately: true })
    )
    yield* internalsOf(rpc).observe(undefined, {
      onNotification: ({ _tag }) => {
        if (_tag === "fs/changed") toldByFirst++
      },
      onReadEnd: () => {},
      onEnd: () => {}
    })
    yield* workspace.watch(home.workspace).pipe(
      Stream.runForEach(() => Effect.sync(() => seen++)),
      Effect.forkScoped({ startImmediately: true })
    )
    /** Changes the folder until it was seen, and returns how often other processes than the first have told of it. */
    return Effect.gen(function*() {
      seen = told = toldByFirst = 0
      yield* Effect.repeat(
        Effect.delay(
          Effect.suspend(() => fs.writeFileString(`${home.workspace}/file`, `${performance.now()}`)),
          "300 millis"
        ),
        { until: () => seen > 0 }
      ).pipe(Effect.timeout("20 seconds"))
      yield* Effect.sleep("500 millis")
      assert.isAbove(toldByFirst, 0)
      return told - toldByFirst
    })
  })

  real(
    "is in one process, also after another was replaced",
    (pool) => pool,
    Effect.gen(function*() {
      const change = yield* watched
      assert.strictEqual(yield* change, 0)
      yield* replace(1)
      assert.strictEqual(yield* change, 0)
      yield* replace(0)
      assert.strictEqual(yield* change, 0)
    })
  )

  real(
    "goes on in the next process when its place has ended",
    (pool) => pool,
    Effect.gen(function*() {
      const change = yield* watched
      yield* change
      process.kill((yield* stats).processes[0]!.pid, "SIGKILL")
      yield* Effect.repeat(Effect.delay(stats, "20 millis"), {
        until: ({ processes }) => processes[0]!.state === "ended"
      })
      assert.strictEqual(yield* change, 0)
    }),
    { pool: { restart: Schedule.recurs(0) } }
  )
})

describe("what a process keeps in memory", () => {
  real(
    "is told to each, also to one that is replaced",
    (pool) => pool,
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const fs = yield* FileSystem.FileSystem
      const extensions = yield* Extensions.make
      const root = `${home.workspace}/../skills-of-all`
      yield* fs.makeDirectory(`${root}/greet`, { recursive: true })
      yield* fs.writeFileString(
        `${root}/greet/SKILL.md`,
        "---\nname: greet\ndescription: Greets everybody\n---\nSay hello."
      )
      yield* extensions.addSkillRoots([yield* fs.realPath(root)])
      yield* turns
      yield* replace(1)
      yield* turns
      const { requests } = yield* ScriptedModel.ScriptedModel
      assert.deepStrictEqual(
        (yield* requests).map(({ body }) => JSON.stringify(body).includes("Greets everybody")),
        [true, true, true, true]
      )
    })
  )
})
