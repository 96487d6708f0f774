/** Measures requests to the real app-server, by the built client or by hand, and the time until it is ready. */
import { AppServerRpc } from "@effect-codex/client"
import { CodexExecutable } from "@effect-codex/node"
import * as CodexNode from "@effect-codex/node/CodexNode"
import { CodexHome } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { begin, tell } from "./sample.ts"

const [who, mode, countText] = process.argv.slice(2) as ["ours" | "bare", "one" | "many" | "start", string]
/** Requests in each half. */
const count = Number(countText)
const concurrency = mode === "many" ? 64 : 1

interface Client {
  readonly requests: Effect.Effect<unknown, unknown>
}

const bare = Effect.fnUntraced(function*(): Effect.fn.Return<Client, unknown, Scope.Scope | CodexHome.CodexHome> {
  const home = yield* CodexHome.CodexHome
  const { executable } = yield* Effect.provide(CodexExecutable.find(), NodeServices.layer)
  started = begin()
  const codex = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(executable, ["app-server", "--listen", "stdio://"], {
        env: { ...process.env, ...home.env },
        cwd: home.workspace,
        stdio: ["pipe", "pipe", "ignore"]
      })
    ),
    (codex) =>
      Effect.callback<void>((resume) => {
        codex.once("exit", () => resume(Effect.void))
        codex.stdin.end()
      })
  )
  const pending = new Map<number, (result: unknown) => void>()
  createInterface({ input: codex.stdout }).on("line", (line) => {
    const { id, result } = JSON.parse(line) as { readonly id?: number; readonly result?: unknown }
    if (id === undefined) return
    pending.get(id)?.(result)
    pending.delete(id)
  })
  let lastId = 0
  const ask = (method: string, params: object) =>
    new Promise((resolve) => {
      pending.set(++lastId, resolve)
      codex.stdin.write(`${JSON.stringify({ id: lastId, method, params })}\n`)
    })
  yield* Effect.promise(() => ask("initialize", { clientInfo: { name: "bench", title: null, version: "0" } }))
  codex.stdin.write(`{"method":"initialized"}\n`)
  // The loop over all requests is plain code as well.
  const all = async () => {
    let left = count
    const worker = async () => {
      while (left-- > 0) await ask("thread/loaded/list", {})
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
  }
  return { requests: Effect.promise(all) }
})

const ours = Effect.fnUntraced(function*(): Effect.fn.Return<Client, unknown, Scope.Scope | CodexHome.CodexHome> {
  const home = yield* CodexHome.CodexHome
  started = begin()
  const context = yield* Layer.build(CodexNode.layer({ env: home.env, cwd: home.workspace }))
  const rpc = yield* Effect.provide(AppServerRpc.AppServerRpc, context)
  const one = rpc.request("thread/loaded/list", {})
  // As many loops as by hand: `Effect.forEach` over all requests would start a fiber for each.
  const all = Effect.suspend(() => {
    let left = count
    const worker = Effect.whileLoop({ while: () => left-- > 0, body: () => one, step: () => {} })
    return Effect.all(Array.from({ length: concurrency }, () => worker), { concurrency: "unbounded", discard: true })
  })
  return { requests: all }
})

let started: ReturnType<typeof begin>

await Effect.runPromise(
  Effect.scoped(Effect.gen(function*() {
    const { requests } = yield* who === "ours" ? ours() : bare()
    if (mode === "start") return tell(started())
    // During the first half V8 compiles the code that runs often.
    yield* requests
    const end = begin()
    yield* requests
    tell(end())
  })).pipe(
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.provide(CodexHome.layerUrl("http://127.0.0.1:9/v1"))
  )
)
