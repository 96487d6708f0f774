/** Notices that the server's process is about to run out of file descriptors: reports it, and lets go of threads. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Metrics from "../../Metrics.ts"
import { type Descriptors, ReadDescriptors } from "../descriptors.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as LoadedThreads from "./loadedThreads.ts"

/** The shares of the limit from which it is reported, and below which it may be reported again. */
const near = 0.85
const far = 0.75

const open = Metric.withAttributes(Metrics.descriptors, { kind: "open" })
const limit = Metric.withAttributes(Metrics.descriptors, { kind: "limit" })

const messageOf = (now: Descriptors, maxLoaded: number | undefined): string =>
  `codex app-server has ${now.open} of at most ${now.limit} file descriptors open, and fails every turn once they run ` +
  `out. Each loaded thread uses some. ${
    maxLoaded === undefined
      ? "Set `maxLoadedThreads`, so that the client lets go of idle threads"
      : `The client lets go of idle threads now, though \`maxLoadedThreads\` is ${maxLoaded}: lower it`
  }, or raise the limit of the process (\`ulimit -n\`).`

/**
 * An effect that looks at the descriptors. Run it when a thread was loaded: nothing else uses many. Listing them takes
 * longer the more there are, so those that are loaded during a look share the next one.
 *
 * @param maxLoaded the client's limit of loaded threads.
 */
export const make = Effect.fnUntraced(function*(
  rpc: Rpc,
  maxLoaded: number | undefined
): Effect.fn.Return<Effect.Effect<void> | undefined> {
  const read = yield* ReadDescriptors
  if (read === undefined) return undefined
  let isReported = false
  let isLooking = false
  let isDue = false
  const look = Effect.gen(function*() {
    isDue = false
    const now = yield* read
    if (now === undefined) return
    yield* Metric.update(open, now.open)
    yield* Metric.update(limit, now.limit)
    if (now.open < now.limit * far) isReported = false
    if (now.open < now.limit * near) return
    if (!isReported) internalsOf(rpc).tell({ _tag: "DescriptorsLow", message: messageOf(now, maxLoaded), ...now })
    isReported = true
    yield* LoadedThreads.of(rpc).relieve
  })
  return Effect.suspend(() => {
    isDue = true
    if (isLooking) return Effect.void
    isLooking = true
    return Effect.repeat(look, {
      while: () => {
        isLooking = isDue
        return isDue
      }
    }).pipe(
      Effect.onError(() =>
        Effect.sync(() => {
          isLooking = false
        })
      )
    )
  })
})
