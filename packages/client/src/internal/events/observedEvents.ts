/** The notifications of a thread, or of no thread, as a stream. Each run of the stream has its own mailbox. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { ConnectionError } from "../../CodexError.ts"
import type { Raw, ServerNotification } from "../../ServerNotification.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import { Mailbox, slowReader } from "./mailbox.ts"

export const observedEvents = (rpc: Rpc, options: {
  readonly threadId: string | undefined
  /** Names the stream in the warning that its reader is too slow. */
  readonly name: string
  /** Default: all notifications. */
  readonly isWanted?: ((raw: Raw) => boolean) | undefined
  /** Replaces a notification before it is stored. Default: stored as it came. */
  readonly map?: ((raw: Raw) => Raw) | undefined
  readonly onRestored?: (() => void) | undefined
  /** Runs once notifications are stored, before the stream begins. */
  readonly onObserved?: Effect.Effect<void> | undefined
}): Stream.Stream<ServerNotification, ConnectionError> =>
  Stream.unwrap(Effect.gen(function*() {
    const internals = internalsOf(rpc)
    const mailbox = new Mailbox<ConnectionError>({ highWater: slowReader(internals, options.name) })
    yield* internals.observe(options.threadId, {
      onNotification: (raw, bytes) => {
        if (options.isWanted?.(raw) !== false) mailbox.push(options.map?.(raw) ?? raw, bytes)
      },
      onReadEnd: () => mailbox.flush(),
      onEnd: (cause) => {
        mailbox.close(Exit.fail(cause))
        mailbox.flush()
      },
      onRestored: options.onRestored
    })
    if (options.onObserved !== undefined) yield* options.onObserved
    return mailbox.streamOf(internals.decode)
  }))
