/** Reads the events of a thread wherever it is. */
import * as ServerNotification from "@effect-codex/client/ServerNotification"
import * as Cause from "effect/Cause"
import type * as Sharding from "effect/cluster/ClusterError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Event } from "../../CodexThread.ts"
import type { Position, Raw, Sent } from "./hub.ts"

type ClusterFailure =
  | Sharding.MailboxFull
  | Sharding.AlreadyProcessingMessage
  | Sharding.PersistenceError
  | Sharding.EntityNotAssignedToRunner

/**
 * Subscribes again when a subscription ends. After the loss of a runner the cluster does so by itself, with the same
 * message, so what this reader has had already is left out here, too.
 */
export const read = (
  subscribe: (after: Position | undefined) => Stream.Stream<Sent, ClusterFailure>,
  ofEntity: (raw: Raw) => Option.Option<Event>
): Stream.Stream<Event, ClusterFailure> =>
  Stream.unwrap(Effect.map(ServerNotification.decode, (decode) => {
    let position: Position | undefined
    const news = ({ epoch, event, runner, seq }: Sent): ReadonlyArray<Event> => {
      const isSame = position?.epoch === epoch
      if (isSame && position !== undefined && seq <= position.seq) return []
      position = { epoch, seq }
      const read = Option.getOrElse(ofEntity(event), () => decode(event))
      return isSame ? [read] : [{ _tag: "Moved", runner }, read]
    }
    return Stream.suspend(() => subscribe(position)).pipe(
      // A runner that stops interrupts its readers.
      Stream.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Stream.empty : Stream.failCause(cause)),
      Stream.catchTag("EntityNotAssignedToRunner", () => Stream.empty),
      Stream.flatMap((sent) => Stream.fromIterable(news(sent))),
      Stream.concat(Stream.drain(Stream.fromEffect(Effect.sleep("100 millis")))),
      Stream.forever
    )
  }))
