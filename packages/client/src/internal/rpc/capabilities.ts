/** The capabilities that the client declares in the handshake. */
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import type { Options } from "../../AppServerRpc.ts"
import { InvalidArgument } from "../../CodexError.ts"
import * as Launch from "../launch.ts"
import * as OptionKinds from "../options.ts"

/**
 * The client cannot do without these: a turn, goal or login would never end, its result would be wrong, or it could run
 * looser than requested. Without the last ones a call would wait for ever, or seem to have found nothing.
 */
const needed: ReadonlySet<string> = new Set<keyof ServerNotifications>([
  "account/login/completed",
  "error",
  "item/completed",
  "item/started",
  "model/rerouted",
  "serverRequest/resolved",
  "thread/closed",
  "thread/goal/cleared",
  "thread/goal/updated",
  "thread/settings/updated",
  "thread/status/changed",
  "thread/tokenUsage/updated",
  "turn/completed",
  "turn/started",
  "command/exec/outputDelta",
  "fs/changed",
  "fuzzyFileSearch/sessionUpdated",
  "thread/queue/changed"
])

const isList = OptionKinds.texts.fits

export const of = (options: Options | undefined): Effect.Effect<Sent.InitializeCapabilities, InvalidArgument> => {
  const optedOut = options?.capabilities?.optOutNotificationMethods
  // A value of another type is refused when the params of `initialize` are checked.
  const missed = isList(optedOut) ? optedOut?.filter((method) => needed.has(method)) ?? [] : []
  if (missed.length > 0) {
    return Effect.fail(
      new InvalidArgument({
        argument: "capabilities.optOutNotificationMethods",
        detail: `the client needs ${missed.join(", ")} itself. Leave it out of the list.`
      })
    )
  }
  return Effect.succeed(Launch.capabilities(options))
}
