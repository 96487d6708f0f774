/**
 * Node's own pipes of a process. The spawner's streams copy each chunk into another Node stream and pass it to a fiber,
 * which costs a fifth more CPU for each request (measured).
 *
 * The spawner starts and ends the process. It does not expose Node's `ChildProcess`, so this finds it on Node's
 * diagnostics channel `child_process`. If that fails, or comes too late, the spawner's streams are used.
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

/** Adopts the early process of the command, if there is one; only for a client with the same greeting. */
export const spawnOrAdopt: typeof Spawn.Service = Effect.fnUntraced(function*(command) {
  const early = yield* AdoptedProcess.adopt(command)
  if (early === undefined) return yield* spawn(command)
  const { child, handle } = early
  return { handle, pipes: greeted(pipesOf(child.stdin, child.stdout)) }
})

// Captured when the module is loaded, because a test may replace the globals.
const { clearImmediate, setImmediate } = globalThis

/** Node reads up to 64 KiB at a time. After a full read it reads again before it does anything else. */
const fullRead = 65_536
const nothing = new Uint8Array(0)

/**
 * The pipes of an early process, which has already received the greeting. Does not write the greeting again, and reads
 * only after the client has written it, so that the reply does not arrive before its request.
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
  // One listener for all waiting writers: Node warns about an emitter with many listeners.
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
          // Without a reader, a flowing stream would drop its data.
          stdout.off("data", onRead).off("close", end).off("error", fail).pause()
        })
      }),
    // Texts written during the current task are sent in one write.
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
