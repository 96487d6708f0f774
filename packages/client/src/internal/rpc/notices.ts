/**
 * Reports once what a user would otherwise have to look for: an unreachable model, a rerouted model, a failed MCP
 * server, a server request without a handler.
 */
import type * as Clock from "effect/Clock"
import type { Diagnostic } from "../../AppServerRpc.ts"
import type { Method } from "../../ServerRequests.ts"
import * as Monotonic from "../monotonic.ts"
import { at, textAt } from "../protocol/peek.ts"
import { isMcpServerGone } from "../text/serverTexts.ts"
import { visible } from "../text/visibleText.ts"

export interface Notices {
  readonly turnStarted: (params: unknown) => void
  readonly turnEnded: (turnId: string) => void
  /** Takes an `error` notification of a turn, which may say that codex retries. */
  readonly turnError: (threadId: string, params: unknown) => void
  readonly rerouted: (threadId: string, params: unknown) => void
  readonly mcpServer: (threadId: string | undefined, params: unknown) => void
  readonly itemCompleted: (threadId: string, params: unknown) => void
  readonly threadClosed: (threadId: string) => void
  /** The default answers a server request, because it has no handler. */
  readonly undecided: (method: Method) => void
}

// Far beyond what runs at once. Bounds memory against a server that never ends anything.
const maxKept = 4096

const keep = <K, V>(map: Map<K, V>, key: K, value: V): V => {
  map.set(key, value)
  if (map.size > maxKept) {
    const [oldest] = map.keys()
    map.delete(oldest!)
  }
  return value
}

// Some of the expressions below take quadratic time.
const maxQuoted = 4096

/** Server text for use within one line: without Rust types, a backtrace, and the secret parts of URLs. */
const quoted = (text: string): string =>
  visible(
    text
      .slice(0, maxQuoted)
      .replace(/\n\s*Stack backtrace:.*/s, "")
      .replace(/ ?\[[\w<>, ]+::[\w<>:, ]*\]/g, "")
      .replace(/(\w:\/\/)[^\s/?#]*@/g, "$1…@")
      .replace(/(\w:\/\/[^\s?#)"']*)[?#][^\s)"',]*/g, "$1?…")
      .replace(/\s+/g, " ")
      .trim()
      .replace(/\.$/, ""),
    400
  )

const name = (text: string): string => visible(text, 100)

const adviceOn: { readonly [M in Method]?: readonly [answer: string, advice: string] } = {
  "item/commandExecution/requestApproval": ["declined", "`Approvals.layer`"],
  "item/fileChange/requestApproval": ["declined", "`Approvals.layer`"],
  "item/permissions/requestApproval": ["granted nothing", "`Approvals.layer`"],
  "item/tool/requestUserInput": ["given no answers", "`Questions.layer`"],
  "mcpServer/elicitation/request": ["declined", "`Elicitation.layer`, for the approval of tools `Approvals.layer`,"],
  "account/chatgptAuthTokens/refresh": ["refused", "`Auth.layerExternalTokens`"],
  applyPatchApproval: ["declined", "`Approvals.layer`"],
  execCommandApproval: ["declined", "`Approvals.layer`"]
}

interface Told {
  readonly startedAt: number
  retry: boolean
  reroute: boolean
}

export const make = (clock: Clock.Clock, tell: (diagnostic: Diagnostic) => void): Notices => {
  const turns = new Map<string, Told>()
  const servers = new Map<string, string | undefined>()
  const undecided = new Set<Method>()

  const begin = (turnId: string): Told =>
    keep(turns, turnId, { startedAt: Monotonic.millis(clock), retry: false, reroute: false })
  const toldOf = (turnId: string): Told => turns.get(turnId) ?? begin(turnId)

  const keyOf = (threadId: string | undefined, environmentId: string | undefined, server: string) =>
    JSON.stringify([threadId, environmentId, server])
  /** Whether nothing was reported about the server and its thread since it was last ready. */
  const isNews = (threadId: string | undefined, environmentId: string | undefined, server: string): boolean => {
    const key = keyOf(threadId, environmentId, server)
    if (servers.has(key)) return false
    keep(servers, key, threadId)
    return true
  }

  const of = (environmentId: string | undefined): string =>
    environmentId === undefined ? "" : ` of the environment ${name(environmentId)}`

  return {
    turnStarted(params) {
      const turnId = textAt(at(params, "turn"), "id")
      if (turnId !== undefined) begin(turnId)
    },
    turnEnded: (turnId) => void turns.delete(turnId),
    turnError(threadId, params) {
      const turnId = textAt(params, "turnId")
      if (turnId === undefined || at(params, "willRetry") !== true) return
      const told = toldOf(turnId)
      if (told.retry) return
      told.retry = true
      const error = at(params, "error")
      const reason = quoted(textAt(error, "message") ?? "it gave no reason")
      const additional = textAt(error, "additionalDetails")
      const details = additional === undefined ? undefined : quoted(additional)
      const seconds = Math.round((Monotonic.millis(clock) - told.startedAt) / 1000)
      tell({
        _tag: "ModelRetry",
        message:
          `codex could not get an answer from the model for turn ${name(turnId)} and retries, ${seconds} s after the ` +
          `turn began: ${
            details === undefined ? reason : `${reason} (${details})`
          }. This is reported once per turn. If it ` +
          `persists, check the network, the proxy and the login; without \`stallTimeout\` codex may retry without end.`,
        threadId,
        turnId,
        reason,
        details
      })
    },
    rerouted(threadId, params) {
      const turnId = textAt(params, "turnId")
      const from = textAt(params, "fromModel")
      const to = textAt(params, "toModel")
      if (turnId === undefined || from === undefined || to === undefined) return
      const told = toldOf(turnId)
      if (told.reroute) return
      told.reroute = true
      const reason = quoted(textAt(params, "reason") ?? "none given")
      tell({
        _tag: "ModelRerouted",
        message: `the model ${name(to)} answers turn ${name(turnId)} instead of ${name(from)} (reason: ${reason}). ` +
          `The result's \`model\` names the one that answered.`,
        threadId,
        turnId,
        from,
        to,
        reason
      })
    },
    mcpServer(threadId, params) {
      const server = textAt(params, "name")
      if (server === undefined) return
      const status = at(params, "status")
      const environmentId = textAt(params, "environmentId")
      if (status === "ready") servers.delete(keyOf(threadId, environmentId, server))
      if (status !== "failed" || !isNews(threadId, environmentId, server)) return
      const error = quoted(textAt(params, "error") ?? "it gave no reason")
      const advice = textAt(params, "failureReason") === "reauthenticationRequired"
        ? `Log in to it again: codex mcp login ${name(server)}.`
        : `Check its command or URL in \`mcp_servers\`, and run the command by hand. ` +
          `\`required = true\` makes the thread fail instead.`
      tell({
        _tag: "McpServerFailed",
        message: `the MCP server ${name(server)}${of(environmentId)} did not start, and ` +
          `${
            threadId === undefined ? "codex" : `thread ${name(threadId)}`
          } continues without its tools: ${error}. ${advice}`,
        threadId,
        environmentId,
        server,
        phase: "start",
        reason: error
      })
    },
    itemCompleted(threadId, params) {
      const item = at(params, "item")
      const server = textAt(item, "server")
      if (at(item, "type") !== "mcpToolCall" || server === undefined) return
      const text = textAt(at(item, "error"), "message")
      const environmentId = textAt(item, "environmentId")
      if (text === undefined || !isMcpServerGone(text) || !isNews(threadId, environmentId, server)) return
      tell({
        _tag: "McpServerFailed",
        message:
          `the MCP server ${name(server)}${of(environmentId)} of thread ${name(threadId)} ended during a call of ` +
          `${name(textAt(item, "tool") ?? "a tool")}, and further calls will fail: ${quoted(text)}. ` +
          `The request config/mcpServer/reload starts it again for the next turn.`,
        threadId,
        environmentId,
        server,
        phase: "call",
        reason: quoted(text)
      })
    },
    threadClosed(threadId) {
      for (const [key, of] of servers) if (of === threadId) servers.delete(key)
    },
    undecided(method) {
      const advice = adviceOn[method]
      if (advice === undefined || undecided.has(method)) return
      undecided.add(method)
      tell({
        _tag: "Undecided",
        message:
          `codex sent ${method}; no handler decides it, so it was ${advice[0]}. Provide one with ${advice[1]} or the ` +
          `option \`handlers\`${
            /pproval/.test(method) ? ", or choose an `ApprovalMode` that does not ask" : ""
          }. This is reported once.`,
        method
      })
    }
  }
}
