import type { Queue as ClientQueue } from "@effect-codex/client/Queue"
import * as Effect from "effect/Effect"
import type { Queue } from "../Queue.ts"
import type { Host } from "./host.ts"
import { readable } from "./readable.ts"
import { startTurn } from "./turn.ts"
import { withoutSignal } from "./withoutSignal.ts"

export const make = (host: Host, queue: ClientQueue): Queue => ({
  add: (input, options) =>
    host.run(Effect.flatMap(withoutSignal(options), (given) => queue.add(input, given)), options?.signal),
  list: (options) => host.run(queue.list, options?.signal),
  changes: readable(host, queue.changes),
  update: (id, input, options) =>
    host.run(Effect.flatMap(withoutSignal(options), (given) => queue.update(id, input, given)), options?.signal),
  remove: (id, options) => host.run(queue.remove(id), options?.signal),
  reorder: (ids, options) => host.run(queue.reorder(ids), options?.signal),
  start: (id, options) => startTurn(host, queue.start(id), options?.signal),
  turn: (message, options) => startTurn(host, queue.turn(message), options?.signal)
})
