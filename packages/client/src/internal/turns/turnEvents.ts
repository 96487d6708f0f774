/**
 * The events of one turn for its readers. The first reader gets every event as it came; later readers first get
 * a compacted history.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionError } from "../../CodexError.ts"
import { EventsOverflow } from "../../CodexError.ts"
import type { Raw, TurnEvent } from "../../ServerNotification.ts"
import { CompactLog, done, Mailbox, slowReader } from "../events/mailbox.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"

export type StreamError = ConnectionError | EventsOverflow

type End = Exit.Exit<never, StreamError | Cause.Done>

interface Options {
  readonly rpc: Rpc
  readonly maxUnreadBytes: number | undefined
}

export class TurnEvents {
  private readonly turn: { readonly id: string; readonly threadId: string }
  private readonly options: Options
  private readers: ReadonlyArray<Mailbox<StreamError>> = []
  /** The history for later readers. Undefined: nothing is kept. */
  private log: CompactLog | undefined
  /** The mailbox that nobody has started to read. */
  private first: Mailbox<StreamError> | undefined
  private end: End | undefined

  /** @param isKept whether events are kept from the turn's beginning. */
  constructor(turn: TurnEvents["turn"], options: Options, isKept: boolean) {
    this.turn = turn
    this.options = options
    if (!isKept) return
    this.log = new CompactLog()
    this.first = this.makeMailbox()
    this.readers = [this.first]
  }

  /** Keeps events from now on. */
  keep(): void {
    this.log ??= new CompactLog()
  }

  push(event: Raw, bytes: number): void {
    if (this.log === undefined) return
    this.log.push(event)
    for (const reader of this.readers) reader.push(event, bytes)
  }

  /** Called when all events of a read have been pushed. */
  onReadEnd(): void {
    this.log?.readEnded()
    this.flush()
  }

  flush(): void {
    for (const reader of this.readers) reader.flush()
  }

  /** Ends every reader after its unread events. */
  close(end: End): void {
    this.end ??= end
    for (const reader of this.readers) reader.close(end)
  }

  private makeMailbox(history?: Array<Raw>): Mailbox<StreamError> {
    const { maxUnreadBytes, rpc } = this.options
    const { turn } = this
    return new Mailbox<StreamError>({
      highWater: slowReader(internalsOf(rpc), `events of turn ${turn.id}`),
      maxUnread: maxUnreadBytes === undefined ? undefined : {
        bytes: maxUnreadBytes,
        error: (unreadBytes) => new EventsOverflow({ threadId: turn.threadId, turnId: turn.id, unreadBytes })
      }
    }, history)
  }

  private readonly openReader: Effect.Effect<Mailbox<StreamError>, never, Scope.Scope> = Effect.acquireRelease(
    Effect.sync(() => {
      const first = this.first
      if (first !== undefined) {
        this.first = undefined
        return first
      }
      const reader = this.makeMailbox(this.log?.snapshot())
      this.readers = [...this.readers, reader]
      if (this.end !== undefined) reader.close(this.end)
      return reader
    }),
    (reader) =>
      Effect.sync(() => {
        reader.close(done)
        this.readers = this.readers.filter((other) => other !== reader)
      })
  )

  readonly stream: Stream.Stream<TurnEvent, StreamError> = Stream.unwrap(
    Effect.map(this.openReader, (mailbox) => {
      const { decode } = internalsOf(this.options.rpc)
      return mailbox.streamOf((raw) => decode(raw) as TurnEvent)
    })
  )
}
