/**
 * The pipes of a process as Node has them. The spawner's copy each chunk into another stream of Node and hand it to a fiber,
 * with which a request costs a fifth more CPU (measured).
 *
 * The spawner starts and ends the process and does not hand out Node's own object, but Node tells of each on the channel
 * `child_process`. Where it does not, or too late, the spawner's streams are used.
 */
import type { Pipes, Spawn } from "@effect-codex/client/internal/wire/spawn"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { ChildProcess } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { Readable, Writable } from "node:stream"
import * as AdoptedProcess from "./adoptedProcess.ts"
import * as EarlyProcess from "./earlyProcess.ts"

const isNews = (message: unknown): message is { readonly process: ChildProcess } =>
  typeof message === "object" && message !== null && "process" in message

export const spawn: typeof Spawn.Service = Effect.fnUntraced(function*(command) {
  const children: Array<ChildProcess> = []
  const note = (message: unknown): void => {
    if (isNews(message)) children.push(message.process)
  }
  const handle = yield* Effect.acquireUseRelease(
    Effect.sync(() => subscribe("child_process", note)),
    () => command,
    () => Effect.sync(() => unsubscribe("child_process", note))
  )
  const { stdin, stdout } = children.find(({ pid }) => pid === handle.pid) ?? {}
  const isUntouched = stdin !== undefined && stdin !== null && stdout !== undefined && stdout !== null &&
    (stdout as { readonly bytesRead?: unknown }).bytesRead === 0
  return { handle, pipes: isUntouched ? pipesOf(stdin, stdout) : undefined }
})

/** Takes the early process of the command, for a client that greets codex as that was greeted. */
export const spawnOrAdopt: typeof Spawn.Service = Effect.fnUntraced(function*(command) {
  const early = yield* AdoptedProcess.adopt(command)
  if (early === undefined) return yield* spawn(command)
  const { child, handle } = early
  return { handle, pipes: greeted(pipesOf(child.stdin, child.stdout)) }
})

// As they were when the module was loaded: a test may replace the globals.
const { clearImmediate, setImmediate } = globalThis

/** Node reads 64 KiB at a time, and after a full read at once again, before it does anything else. */
const fullRead = 65_536
const nothing = new Uint8Array(0)

/**
 * The pipes of an early process, which was told the first text before: that is not written again. Nothing is read before, as
 * the reply is for somebody who has asked.
 */
const greeted = (pipes: Pipes): Pipes => {
  const asked = Deferred.makeUnsafe<void>()
  return {
    ...pipes,
    read: (onChunk) => Effect.andThen(Deferred.await(asked), pipes.read(onChunk)),
    write: (text) =>
      Effect.suspend(() => {
        const isFirst = Deferred.doneUnsafe(asked, Effect.void)
        return isFirst && text === EarlyProcess.greeting ? Effect.void : pipes.write(text)
      })
  }
}

const pipesOf = (stdin: Writable, stdout: Readable): Pipes => {
  stdout.unpipe()

  const failure = Deferred.makeUnsafe<unknown>()
  stdin.on("error", (error) => Deferred.doneUnsafe(failure, Effect.succeed(error)))
  let texts: Array<string> = []
  const flush = (): void => {
    if (texts.length === 0) return
    const text = texts.join("")
    texts = []
    if (stdin.writable) stdin.write(text)
  }
  let drain: Deferred.Deferred<void> | undefined
  // One for all who wait: Node warns of an emitter with many listeners.
  const drained = Effect.suspend(() => {
    if (drain !== undefined) return Deferred.await(drain)
    const waiting = drain = Deferred.makeUnsafe<void>()
    const done = (): void => {
      stdin.off("drain", done).off("close", done)
      drain = undefined
      Deferred.doneUnsafe(waiting, Effect.void)
    }
    stdin.on("drain", done).on("close", done)
    return Deferred.await(waiting)
  })

  return {
    read: (onChunk) =>
      Effect.callback<void, unknown>((resume) => {
        const end = (): void => resume(Effect.void)
        const fail = (error: unknown): void => resume(Effect.fail(error))
        if (stdout.closed) return end()
        let more = false
        let readsEnd: NodeJS.Immediate | undefined
        const onRead = (chunk: Uint8Array): void => {
          more = chunk.length === fullRead
          if (more) readsEnd ??= setImmediate(onReadsEnd)
          onChunk(chunk, more)
        }
        const onReadsEnd = (): void => {
          readsEnd = undefined
          if (more) onChunk(nothing, false)
        }
        stdout.on("data", onRead).on("close", end).on("error", fail).resume()
        return Effect.sync(() => {
          clearImmediate(readsEnd)
          // Without a reader it would go on and drop what comes.
          stdout.off("data", onRead).off("close", end).off("error", fail).pause()
        })
      }),
    // What is written while the present task of Node runs goes out as one.
    write: (text) =>
      Effect.suspend(() => {
        if (texts.push(text) === 1) process.nextTick(flush)
        return stdin.writableNeedDrain ? drained : Effect.void
      }),
    end: Effect.sync(() => {
      flush()
      stdin.end()
    }),
    writeFailure: Deferred.await(failure)
  }
}
