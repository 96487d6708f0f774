import * as OptionKinds from "@effect-codex/client/internal/options"
import * as NodeHooks from "@effect-codex/node/Hooks"
import type { Hooks } from "../Hooks.ts"
import type { Within } from "./callerContext.ts"
import { fromAsync } from "./handlers.ts"

export const kinds: OptionKinds.Kinds = {
  preToolUse: OptionKinds.callback,
  postToolUse: OptionKinds.callback,
  userPromptSubmit: OptionKinds.callback,
  stop: OptionKinds.callback,
  sessionStart: OptionKinds.callback,
  timeout: OptionKinds.time,
  onFailure: OptionKinds.oneOf("deny", "allow")
}

export const layer = (
  within: Within,
  { onFailure, postToolUse, preToolUse, sessionStart, stop, timeout, userPromptSubmit }: Hooks
) => {
  const effect = fromAsync(within)
  return NodeHooks.layer({
    preToolUse: preToolUse && effect(preToolUse),
    postToolUse: postToolUse && effect(postToolUse),
    userPromptSubmit: userPromptSubmit && effect(userPromptSubmit),
    stop: stop && effect(stop),
    sessionStart: sessionStart && effect(sessionStart)
  }, { onFailure, timeout })
}
