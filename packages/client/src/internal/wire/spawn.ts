/** How to start the process and reach its pipes, for the packages of this project that know a platform. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"

/** The stdin and stdout of a process. */
export interface Pipes {
  /**
   * Passes on each chunk of stdout as it arrives. Ends with stdout, and fails when stdout breaks. `more` means that
   * another chunk, possibly empty, follows at once.
   */
  readonly read: (onChunk: (chunk: Uint8Array, more?: boolean) => void) => Effect.Effect<void, unknown>
  /** Writes to stdin. Waits while it is full, and never fails. */
  readonly write: (text: string) => Effect.Effect<void>
  /** Ends stdin, after everything written so far. */
  readonly end: Effect.Effect<void>
  /** Waits for stdin to break, and returns the error. */
  readonly writeFailure: Effect.Effect<unknown>
}

/**
 * How `AppServer.make` starts the process. A platform with a faster way to the pipes than the spawner's streams
 * returns `pipes` as well, as `@effect-codex/node` does. Default: the platform's spawner.
 */
export const Spawn = Context.Reference<
  (command: ChildProcess.Command) => Effect.Effect<
    { readonly handle: ChildProcessSpawner.ChildProcessHandle; readonly pipes?: Pipes | undefined },
    PlatformError.PlatformError,
    ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
  >
>("@effect-codex/client/internal/wire/Spawn", {
  defaultValue: () =>
    Effect.fnUntraced(function*(command) {
      return { handle: yield* command }
    })
})
