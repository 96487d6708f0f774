/** The events of a rollout, decoded as the server's. */
import type { Raw, ServerNotification } from "../../ServerNotification.ts"
import type { TimedEvent } from "../../ThreadView.ts"
import { RolloutReader } from "./rollout.ts"

export function* rolloutOf(
  lines: Iterable<string>,
  decode: (raw: Raw) => ServerNotification
): Iterable<TimedEvent> {
  const reader = new RolloutReader()
  for (const line of lines) for (const { at, raw } of reader.read(line)) yield { event: decode(raw), at }
  for (const { at, raw } of reader.end()) yield { event: decode(raw), at }
}
