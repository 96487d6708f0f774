/** Streams as async iterables. Each iterator runs the stream in its own scope. */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Readable } from "../Readable.ts"
import { handled, type Host, type Services } from "./host.ts"

interface Options {
  /** A list that `close` cuts off must throw, so that it does not look complete; a live source may just end. */
  readonly isList: boolean
  readonly signal?: AbortSignal | undefined
}

type Step<A> = IteratorResult<A, undefined>

const done = { done: true, value: undefined } as const

// An iterator that is dropped without `return` would leak its mailbox.
const abandoned = new FinalizationRegistry<() => void>((close) => close())

const iterate = <A>(
  host: Host,
  stream: Stream.Stream<A, unknown, Services>,
  { isList, signal }: Options
): AsyncIterableIterator<A, undefined> => {
  const stop = new AbortController()
  const onAbort = () => stop.abort()
  let isEnded = false
  let scope: Scope.Closeable | undefined
  let pull: Pull.Pull<ReadonlyArray<A>, unknown, void, Services> | undefined
  let chunk: ReadonlyArray<A> = []
  let at = 0
  let last: Promise<unknown> = Promise.resolve()

  const nextChunk = Effect.gen(function*() {
    scope ??= yield* host.scope
    pull ??= yield* Scope.provide(Stream.toPull(stream), scope)
    return yield* Pull.catchDone(pull, () => Effect.succeed(undefined))
  })

  const close = async () => {
    isEnded = true
    stop.abort()
    signal?.removeEventListener("abort", onAbort)
    if (scope !== undefined) await host.closeScope(scope)
  }

  const step = async (): Promise<Step<A>> => {
    if (isEnded) return done
    try {
      signal?.throwIfAborted()
      if (at === chunk.length) {
        at = 0
        chunk = await host.run(nextChunk, stop.signal) ?? []
      }
      const value = chunk[at++]
      if (value !== undefined && !isEnded) return { done: false, value }
      await close()
      return done
    } catch (error) {
      const wasEnded = isEnded
      await close()
      if (signal?.aborted === true) throw signal.reason
      if (wasEnded || (host.isClosed && !isList && pull !== undefined)) return done
      throw error
    }
  }

  signal?.addEventListener("abort", onAbort, { once: true })
  // Nothing may reference the iterator, or the registry never sees it collected.
  const iterator: AsyncIterableIterator<A, undefined> = {
    next() {
      const result = last.then(step)
      last = result.catch(() => {})
      return result
    },
    return() {
      return handled(close().then(() => done))
    },
    [Symbol.asyncIterator]() {
      return this
    }
  }
  abandoned.register(iterator, () => void handled(close()))
  return iterator
}

export const readable = <A>(
  host: Host,
  stream: Stream.Stream<A, unknown, Services>,
  options: Options = { isList: false }
): Readable<A> => ({
  [Symbol.asyncIterator]: () => iterate(host, stream, options),
  withSignal: (signal) => readable(host, stream, { ...options, signal: both(options.signal, signal) })
})

const both = (first: AbortSignal | undefined, second: AbortSignal): AbortSignal =>
  first === undefined ? second : AbortSignal.any([first, second])
