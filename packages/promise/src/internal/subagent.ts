import type * as Client from "@effect-codex/client/Subagent"
import * as Effect from "effect/Effect"
import type { Subagent } from "../Subagent.ts"
import type { Host } from "./host.ts"
import { readable } from "./readable.ts"
import * as results from "./results.ts"

export const make = (host: Host, subagent: Client.Subagent): Subagent => ({
  threadId: subagent.threadId,
  parentThreadId: subagent.parentThreadId,
  depth: subagent.depth,
  ...results.subagentNames(subagent),
  events: readable(host, subagent.events),
  messages: readable(host, subagent.messages),
  text: readable(host, subagent.text),
  reasoning: readable(host, subagent.reasoning),
  items: readable(host, subagent.items),
  usage: readable(host, subagent.usage),
  result: (options) => host.run(Effect.map(subagent.result, results.turnResult), options?.signal),
  interrupt: (options) => host.run(subagent.interrupt, options?.signal),
  history: (options) => readable(host, subagent.history(options), { isList: true })
})
