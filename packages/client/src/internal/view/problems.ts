/** Errors of turns, with what to do next, and what is to be told beside the items. */
import type * as Received from "../../Received.ts"
import type { ServerNotification } from "../../ServerNotification.ts"
import type { AgentView, Notice, Problem } from "../../ThreadView.ts"
import { at, rawOf, textAt, turnIdOf } from "../protocol/peek.ts"
import * as TurnFailure from "../text/turnFailure.ts"

export const problemOf = (error: Received.TurnError, willRetry: boolean, when: number | undefined): Problem => {
  const reason = TurnFailure.reasonOf({ info: error.codexErrorInfo, detail: error.message })
  return {
    at: when,
    message: error.message,
    reason,
    ...TurnFailure.explain(reason),
    ...willRetry ? { advice: "" } : {},
    willRetry,
    error
  }
}

const isSettled = (status: string): boolean => status === "completed" || status === "running"

/** What an event tells beside the items; undefined for most. */
const told = (event: ServerNotification): Pick<Notice, "kind" | "message"> | undefined => {
  switch (event._tag) {
    case "warning":
    case "guardianWarning":
      return { kind: "warning", message: event.params.message }
    case "error":
      return { kind: "error", message: event.params.error.message }
    case "configWarning":
    case "deprecationNotice":
      return { kind: "warning", message: event.params.summary }
    case "model/rerouted":
      return { kind: "rerouted", message: `${event.params.toModel} answers instead of ${event.params.fromModel}.` }
    case "thread/reverted":
      return { kind: "reverted", message: "Turns were taken out of the history." }
    case "thread/compacted":
      return { kind: "compacted", message: "The history was compacted." }
    case "hook/completed": {
      const { eventName, status, statusMessage } = event.params.run
      if (isSettled(status)) return undefined
      return {
        kind: "hook",
        message: `A hook of ${eventName} is ${status}${typeof statusMessage === "string" ? `: ${statusMessage}` : "."}`
      }
    }
    case "Unknown":
      return { kind: "unknown", message: `A newer codex sent ${event.method}.` }
    case "Undecodable":
      return { kind: "undecodable", message: `${event.method} does not fit the protocol: ${event.issue}` }
    default:
      return undefined
  }
}

export const noticed = <A extends AgentView>(agent: A, event: ServerNotification, when: number | undefined): A => {
  const notice = told(event)
  if (notice === undefined) return agent
  const method = event._tag === "Unknown" || event._tag === "Undecodable" ? event.method : event._tag
  return {
    ...agent,
    notices: agent.notices.append({ ...notice, at: when, turnId: turnIdOf(event.params), method, params: event.params })
  }
}

/** Something stored that does not fit. */
export const unfit = <A extends AgentView>(agent: A, method: string, value: unknown): A => ({
  ...agent,
  notices: agent.notices.append({
    kind: "undecodable",
    at: undefined,
    turnId: undefined,
    message: `A stored value does not fit the protocol: ${textAt(value, "issue") ?? ""}`,
    method,
    params: at(value, "raw") ?? rawOf(value)
  })
})
