/** The events of an entity's thread, for readers that come late or come again. */
import type * as Thread from "@effect-codex/client/Thread"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"

/** Where a reader is in the events of an activation. */
export interface Position {
  /** The activation of the entity. Another one begins on each machine that it moves to. */
  readonly epoch: string
  readonly seq: number
}

export interface Raw {
  readonly _tag: string
  readonly params: unknown
}

export interface Sent extends Position {
  readonly runner: string
  /** A notification of codex, or what the entity reports itself. */
  readonly event: Raw
}

/** What is sent of an event: its method and params, as codex sent them. */
const rawOf = (event: Thread.ThreadEvent): Raw =>
  event._tag === "Unknown" || event._tag === "Undecodable"
    ? { _tag: event.method, params: event.params }
    : { _tag: event._tag, params: event.params }

const kept = 1024

export interface Hub {
  readonly publish: (event: Raw) => Effect.Effect<void>
  readonly notify: (event: Thread.ThreadEvent) => Effect.Effect<void>
  /** The events after a position; from the start of the newest turn for a reader that comes from elsewhere. */
  readonly after: (position: Position | undefined) => Stream.Stream<Sent>
}

export const make = Effect.fnUntraced(function*(epoch: string, runner: string): Effect.fn.Return<Hub> {
  const live = yield* PubSub.sliding<Sent>(kept)
  let recent: Array<Sent> = []
  let seq = 0
  let turnBegan = 0

  const publish: Hub["publish"] = (event) =>
    Effect.suspend(() => {
      seq += 1
      if (event._tag === "turn/started") turnBegan = seq
      const sent = { epoch, runner, seq, event }
      if (recent.length >= 2 * kept) recent = recent.slice(-kept)
      recent.push(sent)
      return Effect.asVoid(PubSub.publish(live, sent))
    })

  return {
    publish,
    notify: (event) => publish(rawOf(event)),
    after: (position) =>
      Stream.unwrap(Effect.map(PubSub.subscribe(live), (subscription) => {
        const first = position?.epoch === epoch ? position.seq + 1 : turnBegan
        const past = recent.filter((sent) => sent.seq >= first)
        const joined = seq
        const future = Stream.filter(Stream.fromSubscription(subscription), (sent) => sent.seq > joined)
        return Stream.concat(Stream.fromIterable(past), future)
      }))
  }
})
