/**
 * Runs one turn on each of many threads of one codex process, one thread after another, and prints what the process uses.
 * Linux only. In the folder of the repository:
 *
 *     npx node --conditions=@effect-codex/source packages/node/scripts/soak.ts --threads 300 --limit 20
 *
 * Without `--limit`, no thread is let go of. With `--svg FILE` it does both, and draws them; a series ends where a turn
 * fails.
 */
import { AppServer, AppServerRpc, Codex } from "@effect-codex/client"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Clock, Console, Effect, Layer, Logger } from "effect"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { CodexNode } from "../src/index.ts"
import { picture, type Point, type Series } from "./soakPicture.ts"

const { values } = parseArgs({
  options: {
    threads: { type: "string", default: "300" },
    limit: { type: "string" },
    every: { type: "string", default: "50" },
    svg: { type: "string" }
  }
})
const threads = Number(values.threads)
const every = Number(values.every)
const given = values.limit === undefined ? undefined : Number(values.limit)

const usage = Effect.gen(function*() {
  const { pid } = yield* AppServer.AppServer
  const rpc = yield* AppServerRpc.AppServerRpc
  const { data } = yield* rpc.request("thread/loaded/list", {})
  const [, rss] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return {
    loaded: data.length,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    mebibytes: Math.round(Number(rss) / 1024)
  }
})

const row = (cells: ReadonlyArray<string | number>): string => cells.map((cell) => String(cell).padStart(12)).join("")

const run = Effect.fnUntraced(function*(points: Array<Point>) {
  const codex = yield* Codex.Codex
  const handles = []
  yield* Console.log(row(["threads", "loaded", "descriptors", "RSS in MiB", "ms a thread"]))
  let since = yield* Clock.currentTimeMillis
  for (let i = 1; i <= threads; i++) {
    const thread = yield* codex.startThread()
    yield* thread.run("Say something.")
    handles.push(thread)
    if (i % every !== 0) continue
    const now = yield* Clock.currentTimeMillis
    const { descriptors, loaded, mebibytes } = yield* usage
    points.push({ threads: i, descriptors, mebibytes })
    yield* Console.log(row([i, loaded, descriptors, mebibytes, Math.round((now - since) / every)]))
    since = now
  }
  const began = yield* Clock.currentTimeMillis
  const [oldest] = handles
  yield* oldest === undefined ? Effect.void : oldest.run("And again?")
  yield* Console.log(`A turn on the oldest thread took ${(yield* Clock.currentTimeMillis) - began} ms.`)
})

const soak = (maxLoadedThreads: number | undefined) =>
  Effect.gen(function*() {
    const home = yield* CodexHome.CodexHome
    const points: Array<Point> = []
    const end = yield* run(points).pipe(
      Effect.as(undefined),
      Effect.catch((error) => Effect.as(Console.log(error.message), "turns fail")),
      Effect.provide(CodexNode.layer({ env: home.env, maxLoadedThreads }))
    )
    const label = maxLoadedThreads === undefined ? "no limit" : `maxLoadedThreads: ${maxLoadedThreads}`
    return { label, points, end } satisfies Series
  }).pipe(
    Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer({ answer: () => "Something." }))))
  )

const program = Effect.gen(function*() {
  if (values.svg === undefined) return yield* Effect.asVoid(soak(given))
  const limited = yield* soak(given ?? 20)
  const unlimited = yield* soak(undefined)
  writeFileSync(values.svg, picture([limited, unlimited]))
})

program.pipe(Effect.provide(Logger.layer([])), NodeRuntime.runMain)
