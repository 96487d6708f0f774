/** The usual way with Effect: a stream of text, lines, a schema for each, and a queue for each turn. */
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import { serverNotifications } from "@effect-codex/protocol/Methods"
import * as NodeServices from "@effect/platform-node/NodeServices"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import type { Workload } from "../workload.ts"
import { idOf } from "../workload.ts"
import { again, begin } from "./allocations.ts"
import { tell } from "./sample.ts"

const workload = JSON.parse(process.argv[2]!) as Workload

const Envelope = Schema.fromJsonString(Schema.Struct({
  id: Schema.optionalKey(Schema.Number),
  method: Schema.optionalKey(Schema.String),
  params: Schema.optionalKey(Schema.Unknown)
}))
const decodeEnvelope = Schema.decodeUnknownEffect(Envelope)

interface Notification {
  readonly method: string
  readonly params: unknown
}

type Decode = (u: unknown) => Effect.Effect<unknown, Schema.SchemaError>
const decoders = new Map<string, Decode>()
const decoderOf = (method: keyof ServerNotifications): Decode => {
  const known = decoders.get(method)
  if (known !== undefined) return known
  const schema: Schema.Codec<unknown> = serverNotifications[method].params()
  const decode = Schema.decodeUnknownEffect(schema)
  decoders.set(method, decode)
  return decode
}

const program = Effect.gen(function*() {
  const feeder = yield* ChildProcess.make(process.execPath, [
    Path.join(import.meta.dirname, "feeder.ts"),
    process.argv[2]!
  ])
  const outbox = yield* Queue.unbounded<string, Cause.Done>()
  yield* Stream.fromQueue(outbox).pipe(Stream.encodeText, Stream.run(feeder.stdin), Effect.forkScoped)
  const request = (id: number, method: string) => Queue.offer(outbox, `${JSON.stringify({ id, method, params: {} })}\n`)

  let end: ReturnType<typeof begin> | undefined
  const queues = new Map<string, Queue.Queue<Notification, Cause.Done>>()
  let events = 0
  const readers: Array<Fiber.Fiber<void>> = []
  for (let n = 0; n < workload.turns; n++) {
    const queue = yield* Queue.unbounded<Notification, Cause.Done>()
    queues.set(idOf("turn", n), queue)
    readers.push(
      yield* Effect.forkScoped(Stream.runForEach(Stream.fromQueue(queue), () =>
        Effect.sync(() => {
          if (++events === workload.warmUp) end = again(end!)
        })))
    )
  }

  yield* feeder.stdout.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.mapEffect((line) => decodeEnvelope(line)),
    Stream.runForEach(Effect.fnUntraced(function*({ id, method, params }) {
      if (method === undefined) {
        if (id !== 1) return
        end = begin()
        return yield* Effect.asVoid(request(2, "thread/loaded/list"))
      }
      yield* decoderOf(method as keyof ServerNotifications)(params)
      const { turn, turnId } = params as { readonly turnId?: string; readonly turn?: { readonly id: string } }
      const queue = queues.get(turnId ?? turn?.id ?? "")
      if (queue === undefined) return
      yield* Queue.offer(queue, { method, params })
      if (method === "turn/completed") yield* Queue.end(queue)
    })),
    Effect.forkScoped
  )
  yield* request(1, "initialize")
  yield* Effect.forEach(readers, Fiber.join, { discard: true })
  tell({ ...end!(), events })
})

await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(NodeServices.layer)))
