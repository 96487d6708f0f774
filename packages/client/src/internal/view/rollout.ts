/**
 * Reads the history that codex keeps of a thread, a file of JSON lines, as the notifications that the server would have
 * sent. docs/codex-behaviour.md, "The history of a thread has its items as they completed".
 */
import type { Raw } from "../../ServerNotification.ts"
import { at, type Members, membersOf, textAt } from "../protocol/peek.ts"
import { camel, camelKeys, itemOf } from "./rolloutItems.ts"

/** A notification with its time, in milliseconds. */
export interface TimedRaw {
  readonly raw: Raw
  readonly at: number | undefined
}

/** Lines that a view has no use for: what the model was sent, and what is told in another line. */
const silent: ReadonlySet<string> = new Set([
  "compacted",
  "inter_agent_communication",
  "response_item",
  "token_usage_record",
  "turn_context",
  "world_state"
])

/** The same of the events. Those of older histories repeat what is an item today. */
const silentEvents: ReadonlySet<string> = new Set([
  "agent_message",
  "agent_reasoning",
  "agent_reasoning_raw_content",
  "context_compacted",
  "item_started",
  "thread_settings_applied",
  "user_message"
])

const parsed = (line: string): Members | undefined => {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null ? membersOf(value) : undefined
  } catch {
    return undefined
  }
}

const timeOf = (timestamp: unknown): number | undefined => {
  const time = typeof timestamp === "string" ? Date.parse(timestamp) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

/** What `thread/read` would say of the thread. */
const threadOf = (meta: Members): Members => {
  const createdAt = Math.floor((timeOf(meta["timestamp"]) ?? 0) / 1000)
  const source = membersOf(meta["source"])
  return {
    id: meta["id"],
    sessionId: meta["session_id"] ?? meta["id"],
    forkedFromId: meta["forked_from_id"] ?? null,
    parentThreadId: meta["parent_thread_id"] ?? null,
    preview: "",
    ephemeral: false,
    historyMode: meta["history_mode"] ?? "paginated",
    modelProvider: meta["model_provider"] ?? "",
    model: null,
    createdAt,
    updatedAt: createdAt,
    status: { type: "notLoaded" },
    cwd: meta["cwd"] ?? "",
    cliVersion: meta["cli_version"] ?? "",
    source: source["subagent"] === undefined ? "unknown" : { subAgent: source["subagent"] },
    agentNickname: meta["agent_nickname"] ?? null,
    agentRole: meta["agent_role"] ?? null,
    turns: []
  }
}

const usageOf = (usage: unknown): unknown => ({ cacheWriteInputTokens: 0, ...membersOf(camelKeys(usage)) })

const errorInfoOf = (info: unknown): unknown => typeof info === "string" ? camel(info) : camelKeys(info) ?? null

const errorOf = (error: unknown): Members => ({
  message: at(error, "message"),
  codexErrorInfo: errorInfoOf(at(error, "codex_error_info")),
  additionalDetails: at(error, "additional_details") ?? null,
  misalignment: null
})

/** Reads the lines of one file, in order. */
export class RolloutReader {
  private thread: Members = {}
  private turnId = ""
  /** A turn that has begun. It waits for the line with its model. */
  private begun: Raw | undefined
  private error: unknown = null
  /** The turns that have begun and not ended. */
  private readonly open = new Map<string, Members>()

  /** What a line tells. A line that was cut, as by a kill, tells nothing. */
  read(line: string): ReadonlyArray<TimedRaw> {
    if (line.trim() === "") return []
    const entry = parsed(line)
    const time = timeOf(entry?.["timestamp"])
    const raws = entry === undefined ? [this.of("rollout/cut", { line })] : this.whole(entry)
    return raws.map((raw) => ({ raw, at: time }))
  }

  private whole(entry: Members): ReadonlyArray<Raw> {
    try {
      return this.entry(entry)
    } catch {
      // What is nested deeply overflows the stack.
      return [this.of("rollout/unreadable", {})]
    }
  }

  /** What the end of a history tells: a turn that has not ended was interrupted. */
  end(): ReadonlyArray<TimedRaw> {
    const raws = [...this.flush(), ...[...this.open.values()].map((turn) => this.ended(turn, "interrupted"))]
    return raws.map((raw) => ({ raw, at: undefined }))
  }

  private get threadId(): string {
    return textAt(this.thread, "id") ?? ""
  }

  private of(method: string, params: Members): Raw {
    return { _tag: method, params: { threadId: this.threadId, ...params } }
  }

  private flush(): ReadonlyArray<Raw> {
    const { begun } = this
    this.begun = undefined
    return begun === undefined ? [] : [begun]
  }

  private entry({ payload, type }: Members): ReadonlyArray<Raw> {
    const members = membersOf(payload)
    switch (type) {
      case "session_meta":
        // A fork begins with the first line of its source, too.
        if (this.threadId !== "") return []
        this.thread = threadOf(members)
        return [this.of("thread/started", { thread: this.thread })]
      case "turn_context":
        this.thread = { ...this.thread, model: members["model"] ?? null, reasoningEffort: members["effort"] ?? null }
        return [this.of("thread/started", { thread: this.thread }), ...this.flush()]
      case "response_item":
        return this.plan(members)
      case "event_msg": {
        const { begun } = this
        const raws = this.event(members)
        if (raws === undefined) return []
        // A turn whose model is not told before its first event begins without it.
        return begun === undefined || this.begun !== begun ? raws : [...this.flush(), ...raws]
      }
      default:
        return typeof type === "string" && silent.has(type) ? [] : [this.of(`rollout/${String(type)}`, members)]
    }
  }

  private plan({ arguments: args, name, type }: Members): ReadonlyArray<Raw> {
    if (type !== "function_call" || name !== "update_plan" || typeof args !== "string") return []
    const { explanation = null, plan } = parsed(args) ?? {}
    const steps = (Array.isArray(plan) ? plan : []).map((step: unknown) => ({
      ...membersOf(step),
      status: camel(textAt(step, "status") ?? "")
    }))
    return [...this.flush(), this.of("turn/plan/updated", { turnId: this.turnId, explanation, plan: steps })]
  }

  /** Undefined if the line says nothing that is new. */
  private event(event: Members): ReadonlyArray<Raw> | undefined {
    const type = textAt(event, "type") ?? ""
    switch (type) {
      case "task_started":
      case "turn_started":
        return this.started(event)
      case "task_complete":
      case "turn_complete":
        this.error = event["error"] === undefined || event["error"] === null ? this.error : errorOf(event["error"])
        return this.completed(event, this.error === null ? "completed" : "failed")
      case "turn_aborted":
        return this.completed(event, "interrupted")
      case "item_completed":
        return [
          this.of("item/completed", {
            turnId: event["turn_id"],
            item: { ...membersOf(itemOf(event["item"])), startedAtMs: event["started_at_ms"] ?? null },
            completedAtMs: event["completed_at_ms"] ?? 0
          })
        ]
      case "token_count":
        return this.tokens(event["info"])
      case "error":
        this.error = errorOf(event)
        return [this.of("error", { turnId: this.turnId, error: this.error, willRetry: false })]
      case "warning":
        return [this.of("warning", { message: event["message"] })]
      case "thread_name_updated":
        return [this.of("thread/name/updated", { threadName: event["thread_name"] ?? null })]
      case "thread_goal_updated":
        return [this.of("thread/goal/updated", { turnId: event["turn_id"] ?? null, goal: camelKeys(event["goal"]) })]
      default:
        return silentEvents.has(type) ? undefined : [this.of(`rollout/${type}`, event)]
    }
  }

  private started(event: Members): ReadonlyArray<Raw> {
    const before = this.flush()
    this.turnId = textAt(event, "turn_id") ?? ""
    this.error = null
    const turn = {
      id: this.turnId,
      rootTurnId: event["root_turn_id"] ?? null,
      items: [],
      itemsView: "notLoaded",
      status: "inProgress",
      error: null,
      startedAt: event["started_at"] ?? null,
      completedAt: null,
      durationMs: null
    }
    this.open.set(this.turnId, turn)
    this.begun = this.of("turn/started", { turn })
    return before
  }

  private completed(event: Members, status: string): ReadonlyArray<Raw> {
    const id = textAt(event, "turn_id") ?? this.turnId
    const turn = this.open.get(id) ?? { id, items: [], itemsView: "notLoaded", startedAt: event["started_at"] ?? null }
    this.open.delete(id)
    return [
      ...this.flush(),
      this.ended({
        ...turn,
        completedAt: event["completed_at"] ?? null,
        durationMs: event["duration_ms"] ?? null,
        error: this.error
      }, status)
    ]
  }

  private ended(turn: Members, status: string): Raw {
    return this.of("turn/completed", { turn: { ...turn, status } })
  }

  private tokens(info: unknown): ReadonlyArray<Raw> | undefined {
    const total = at(info, "total_token_usage")
    if (total === undefined || this.turnId === "") return undefined
    const tokenUsage = {
      total: usageOf(total),
      last: usageOf(at(info, "last_token_usage")),
      modelContextWindow: at(info, "model_context_window") ?? null
    }
    return [this.of("thread/tokenUsage/updated", { turnId: this.turnId, tokenUsage })]
  }
}
