/** Whether a message that is not stored can reach the process that runs the threads. */
import * as Context from "effect/Context"

export const CanReach = Context.Reference<boolean>("@effect-codex/cluster/internal/thread/CanReach", {
  defaultValue: () => true
})
