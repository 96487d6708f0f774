/**
 * A program that opens and closes one client after another, each with its own process or all on one running
 * server. It prints the resources that it holds after the first five and at the end. `Processes.real.test.ts` starts
 * it as a separate process.
 */
import { Auth, type CodexError } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { tree } from "@effect-codex/test-support/processes"
import { Effect, type Layer, Logger } from "effect"
import { readdirSync, readlinkSync } from "node:fs"
import { constants } from "node:os"

const descriptors = () =>
  readdirSync(process.platform === "linux" ? "/proc/self/fd" : "/dev/fd").flatMap((fd) => {
    try {
      // The numbers in the names of pipes and sockets are new each time.
      return process.platform === "linux" ? [readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, "n")] : ["descriptor"]
    } catch {
      // The descriptor that was used to read the folder.
      return []
    }
  }).sort()

const held = () => ({
  descriptors: descriptors(),
  listeners: ["exit", "beforeExit", "uncaughtException", "unhandledRejection", ...Object.keys(constants.signals)]
    .map((event) => process.listenerCount(event))
    .reduce((sum, count) => sum + count, 0),
  stdio: [process.stdin, process.stdout, process.stderr].map((stream) =>
    stream.eventNames().reduce((sum, event) => sum + stream.listenerCount(event), 0)
  ),
  resources: process.getActiveResourcesInfo().sort(),
  processes: tree(process.pid).map(({ args }) => args)
})

const { TEST_EXECUTABLE: executable, TEST_SOCKET: path, TEST_URL: url } = process.env
const layer: Layer.Layer<Auth.Auth, CodexError.CodexError> = url !== undefined
  ? CodexNode.layerWebSocket({ url })
  : path !== undefined
  ? CodexNode.layerUnixSocket({ path })
  : CodexNode.layer({ executable })

const client = Effect.scoped(
  Effect.gen(function*() {
    const auth = yield* Auth.Auth
    yield* auth.account()
  }).pipe(Effect.provide(layer))
)

const clients = (count: number) => Effect.repeat(client, { times: count - 1 })
const nextTurn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

// A child's pipes and sockets close in a later turn of the event loop than the child's end: in the first one,
// unless the machine is busy.
const resources = () => process.getActiveResourcesInfo().length
const settled = Effect.gen(function*() {
  for (let quiet = 0, last = resources(); quiet < 1000; quiet++) {
    yield* nextTurn
    if (resources() < last) quiet = 0
    last = resources()
  }
})

const measured = Effect.gen(function*() {
  // Creates `process.stdin`, which initially adds listeners to itself.
  held()
  yield* clients(5)
  yield* settled
  const before = held()
  yield* clients(Number(process.env["TEST_CLIENTS"]) - 5)
  yield* settled
  return { before, after: held() }
}).pipe(Effect.provide(Logger.layer([])))

process.stdout.write(JSON.stringify(await Effect.runPromise(measured)))
