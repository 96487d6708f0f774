/** Carries hooks from `Hooks.layer` to the layers that start codex. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** The events that can have a handler, under codex's names, in the order in which they are installed. */
export const eventNames = ["PreToolUse", "PostToolUse", "UserPromptSubmit", "Stop", "SessionStart"] as const

export type EventName = typeof eventNames[number]

export interface Installed {
  /** The events that have a handler. */
  readonly events: ReadonlyArray<EventName>
  /** The problem of an option, as a sentence. */
  readonly problem: { readonly option: string; readonly detail: string } | undefined
  /** Whether nothing may happen without a decision. */
  readonly isClosed: (event: EventName) => boolean
  /** Answers what codex sent, in its format. */
  readonly answer: (event: EventName, sent: string) => Effect.Effect<string>
}

export const InstalledHooks = Context.Reference<Installed | undefined>("@effect-codex/node/Hooks", {
  defaultValue: () => undefined
})
