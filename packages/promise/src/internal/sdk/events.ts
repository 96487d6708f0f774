/** Converts the app-server's events of a turn to those that `codex exec` prints and the SDK passes on. */
import type { ThreadEvent as Told, ThreadItem as Item } from "../../index.ts"
import type { ThreadEvent, ThreadItem, TodoListItem, Usage } from "./types.ts"

const withDetails = (message: string, details: string | null | undefined): string =>
  details ? `${message} (${details})` : message

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const noUsage: Usage = {
  input_tokens: 0,
  cached_input_tokens: 0,
  cache_write_input_tokens: 0,
  output_tokens: 0,
  reasoning_output_tokens: 0
}

/** Returns `object`, because `codex exec` also prints values that the SDK's types lack: null, and further statuses. */
const detailsOf = (item: Item): object | undefined => {
  switch (item.type) {
    case "agentMessage":
      return { type: "agent_message", text: item.text }
    case "undecodable": {
      // Emit the message even if another part of the item does not match the protocol.
      const { text, type } = membersOf(item.raw)
      return type === "agentMessage" && typeof text === "string" ? { type: "agent_message", text } : undefined
    }
    case "reasoning": {
      const text = item.summary.join("\n")
      return text.trim() === "" ? undefined : { type: "reasoning", text }
    }
    case "commandExecution":
      return {
        type: "command_execution",
        command: item.command,
        aggregated_output: item.aggregatedOutput ?? "",
        exit_code: item.exitCode,
        status: snake(item.status)
      }
    case "fileChange":
      return {
        type: "file_change",
        changes: item.changes.map(({ kind, path }) => ({ path, kind: kind.type })),
        status: item.status === "declined" ? "failed" : snake(item.status)
      }
    case "mcpToolCall":
      return {
        type: "mcp_tool_call",
        server: item.server,
        tool: item.tool,
        arguments: item.arguments,
        result: item.result && {
          content: item.result.content,
          structured_content: item.result.structuredContent,
          ...item.result._meta !== null && { _meta: item.result._meta }
        },
        error: item.error && { message: item.error.message },
        status: snake(item.status)
      }
    case "webSearch":
      // Only this item keeps the id that the model assigned.
      return { type: "web_search", id: item.id, query: item.query, action: actionOf(item.action) }
    default:
      return undefined
  }
}

const actionOf = (action: Extract<Item, { type: "webSearch" }>["action"]): object =>
  action === null ? { type: "other" } : Object.fromEntries(
    Object.entries(action).flatMap(([key, value]) =>
      value === null ? [] : [[key, key === "type" ? snake(String(value)) : value]]
    )
  )

export type Members = { readonly [key: string]: unknown }

export const membersOf = (u: unknown): Members => typeof u === "object" && u !== null ? { ...u } : {}

/** The params of an event, even of one that does not match the protocol. */
export const paramsOf = (event: Told): Members => membersOf("params" in event ? event.params : undefined)

/** Whether an event ends a turn, even if it does not match the protocol. */
export const isEnd = (event: Told): boolean =>
  event._tag === "turn/completed" || (event._tag === "Undecodable" && event.method === "turn/completed")

/** Converts the events of one turn. Item ids restart with each turn. */
export class Events {
  #nextId = 0
  readonly #ids = new Map<string, string>()
  readonly #told = new Map<string, string>()
  #todo: TodoListItem | undefined
  #usage = noUsage
  #lastError: string | undefined

  #newId(): string {
    return `item_${this.#nextId++}`
  }

  warning(message: string): ThreadEvent {
    return { type: "item.completed", item: { id: this.#newId(), type: "error", message } }
  }

  /** Whether an item has begun and not ended. */
  get hasUnfinished(): boolean {
    return this.#ids.size > 0
  }

  of(event: Told): ReadonlyArray<ThreadEvent> {
    switch (event._tag) {
      case "warning":
        return [this.warning(event.params.message)]
      case "error": {
        const { additionalDetails, message } = event.params.error
        this.#lastError = withDetails(message, additionalDetails)
        return [{ type: "error", message: this.#lastError }]
      }
      case "model/rerouted": {
        const { fromModel, reason, toModel } = event.params
        return [
          this.warning(`model rerouted: ${fromModel} -> ${toModel} (${reason[0]?.toUpperCase()}${reason.slice(1)})`)
        ]
      }
      case "turn/started":
        return [{ type: "turn.started" }]
      case "item/started":
        return this.#started(event.params.item)
      case "item/completed":
        return this.#completed(event.params.item)
      case "turn/plan/updated": {
        const items = event.params.plan.map(({ status, step }) => ({ text: step, completed: status === "completed" }))
        const type = this.#todo === undefined ? "item.started" : "item.updated"
        this.#todo = { id: this.#todo?.id ?? this.#newId(), type: "todo_list", items }
        return [{ type, item: this.#todo }]
      }
      case "thread/tokenUsage/updated": {
        const { total } = event.params.tokenUsage
        this.#usage = {
          input_tokens: total.inputTokens,
          cached_input_tokens: total.cachedInputTokens,
          cache_write_input_tokens: total.cacheWriteInputTokens,
          output_tokens: total.outputTokens,
          reasoning_output_tokens: total.reasoningOutputTokens
        }
        return []
      }
      case "Undecodable":
        return this.#itemOf(event.method, paramsOf(event))
      default:
        return []
    }
  }

  /** Recovers the agent's message from an event that does not match the protocol. */
  #itemOf(method: string, params: Members): ReadonlyArray<ThreadEvent> {
    const item = membersOf(params["item"])
    const { id, type } = item
    return method === "item/completed" && typeof id === "string" && type === "agentMessage"
      ? this.#completed({ type: "undecodable", id, raw: item, issue: "" })
      : []
  }

  /** @param stored the items of the turn as the server stores them; completes those that never ended */
  end({ error, items, status }: Members, stored: ReadonlyArray<Item>): ReadonlyArray<ThreadEvent> {
    const { additionalDetails, message } = membersOf(error)
    return [
      ...this.#todo === undefined ? [] : [{ type: "item.completed", item: this.#todo } as const],
      // The final event contains the answer, whose own event may have been lost.
      ...(Array.isArray(items) ? items : []).flatMap((item: unknown) => this.#itemOf("item/completed", { item })),
      ...stored.filter(({ id }) => this.#ids.has(String(id))).flatMap((item) => this.#completed(item)),
      ...status === "completed"
        ? [{ type: "turn.completed", usage: this.#usage } as const]
        : status === "failed"
        ? [
          {
            type: "turn.failed",
            error: {
              message: typeof message === "string"
                ? withDetails(message, typeof additionalDetails === "string" ? additionalDetails : undefined)
                : this.#lastError ?? "turn failed"
            }
          } as const
        ]
        : []
    ]
  }

  #started(item: Item): ReadonlyArray<ThreadEvent> {
    const details = item.type === "agentMessage" || item.type === "reasoning" ? undefined : detailsOf(item)
    if (details === undefined) return []
    const theirs = String(item.id)
    const known = this.#ids.get(theirs)
    const id = known ?? this.#newId()
    this.#ids.set(theirs, id)
    return [{
      type: item.type === "fileChange" && known !== undefined ? "item.updated" : "item.started",
      item: itemOf(id, details)
    }]
  }

  #completed(item: Item): ReadonlyArray<ThreadEvent> {
    const details = detailsOf(item)
    if (details === undefined) return []
    const theirs = String(item.id)
    const text = JSON.stringify(details)
    if (this.#told.get(theirs) === text) return []
    this.#told.set(theirs, text)
    const id = this.#ids.get(theirs) ?? this.#newId()
    this.#ids.delete(theirs)
    return [{ type: "item.completed", item: itemOf(id, details) }]
  }
}

// The SDK also casts what `codex exec` prints.
const itemOf = (id: string, details: object): ThreadItem => ({ id, ...details }) as ThreadItem
