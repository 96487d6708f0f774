/** Converts the items and events of a turn to the parts of an answer. */
import type * as Received from "@effect-codex/client/Received"
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import type * as Response from "effect/ai/Response"
import * as Option from "effect/Option"
import * as CodexTool from "../CodexTool.ts"
import type { Marker } from "./marker.ts"
import type { FinishReason } from "./turnEnd.ts"
import { tokensOf } from "./usage.ts"

/** A part that is the same in a complete answer and in a streamed one. */
export type Part = Response.ToolCallPartEncoded | Response.ToolResultPartEncoded | Response.UrlSourcePartEncoded

/** What all parts of one answer share. */
export interface Answer {
  readonly marker: Marker
  /**
   * Whether the caller's toolkit has this tool of codex; `effect/ai` cannot decode parts of other tools. Asked by id,
   * because a tool of the program may have the same name.
   */
  readonly has: (toolId: string) => boolean
  /** The parts of one call of a tool of the program. */
  readonly ofCall: (callId: string) => ReadonlyArray<Part>
}

// =============================================================================
// codex's own actions
// =============================================================================

const executed = (
  { has, marker }: Answer,
  tool: { readonly id: string; readonly name: string },
  id: string,
  params: unknown,
  result: { readonly isFailure: boolean; readonly result: unknown }
): ReadonlyArray<Part> =>
  has(tool.id)
    ? [
      { type: "tool-call", id, name: tool.name, params, providerExecuted: true, metadata: { codex: marker } },
      { type: "tool-result", id, name: tool.name, ...result, providerExecuted: true }
    ]
    : []

const json = (value: unknown) => value ?? null

/** Sources come only from opened pages: docs/codex-behaviour.md, "A search of the web has no addresses". */
const sourceOf = (item: Extract<Received.ThreadItem, { readonly type: "webSearch" }>): ReadonlyArray<Part> => {
  const { action, id } = item
  const url = action !== null && action.type === "openPage" ? action.url : null
  return url !== null && URL.canParse(url) ? [{ type: "source", sourceType: "url", id, url, title: url }] : []
}

const urlOf = (action: Received.WebSearchAction | null): string | null =>
  action !== null && (action.type === "openPage" || action.type === "findInPage") ? action.url ?? null : null

/** The parts of an item that is neither a message nor reasoning. */
export const doneBy = (item: Received.ThreadItem, answer: Answer): ReadonlyArray<Part> => {
  switch (item.type) {
    case "commandExecution": {
      const { command, cwd, id, status } = item
      const output = { exitCode: item.exitCode ?? null, output: item.aggregatedOutput ?? "" }
      const isFailure = status !== "completed"
      return executed(answer, CodexTool.shell, id, { command, cwd }, {
        isFailure,
        result: isFailure ? { ...output, status } : output
      })
    }
    case "fileChange": {
      const changes = item.changes.map(({ diff, kind, path }) => ({ path, kind: kind.type, diff }))
      const { id, status } = item
      return executed(answer, CodexTool.patch, id, { changes }, {
        isFailure: status !== "completed",
        result: { status }
      })
    }
    case "webSearch": {
      const { action, id, query, results } = item
      const params = { query, action: action?.type ?? "other", url: urlOf(action) }
      return [
        ...executed(answer, CodexTool.webSearch, id, params, { isFailure: false, result: { results: json(results) } }),
        ...sourceOf(item)
      ]
    }
    case "mcpToolCall": {
      const { error, id, result, server, status, tool } = item
      const isFailure = result === null || status !== "completed"
      return executed(answer, CodexTool.mcp, id, { server, tool, arguments: json(item.arguments) }, {
        isFailure,
        result: isFailure
          ? { status, message: error?.message ?? null }
          : { content: result.content, structuredContent: json(result.structuredContent) }
      })
    }
    case "dynamicToolCall":
      return answer.ofCall(item.id)
    default:
      return []
  }
}

// =============================================================================
// Usage and the end
// =============================================================================

const usageOf = (results: ReadonlyArray<TurnResult<unknown>>): typeof Response.Usage.Encoded => {
  const tokens = tokensOf(results)
  if (tokens === undefined) return { inputTokens: {}, outputTokens: {} }
  const { cacheWriteInputTokens, cachedInputTokens, inputTokens, outputTokens, reasoningOutputTokens } = tokens
  return {
    inputTokens: {
      total: inputTokens,
      uncached: inputTokens - cachedInputTokens,
      cacheRead: cachedInputTokens,
      cacheWrite: cacheWriteInputTokens
    },
    outputTokens: {
      total: outputTokens,
      reasoning: reasoningOutputTokens,
      text: outputTokens - reasoningOutputTokens
    }
  }
}

/** @param results those of all turns of the call */
export const finish = (
  results: ReadonlyArray<TurnResult<unknown>>,
  marker: Marker,
  reason: FinishReason
): Response.FinishPartEncoded => ({
  type: "finish",
  reason,
  usage: usageOf(results),
  metadata: { codex: marker }
})

export const begin = (result: { readonly id: string; readonly model?: string | undefined }) => ({
  type: "response-metadata" as const,
  id: result.id,
  ...(result.model !== undefined && { modelId: result.model })
})

// =============================================================================
// Complete answers
// =============================================================================

const isFinal = (item: Received.ThreadItem, items: ReadonlyArray<Received.ThreadItem>): boolean => {
  const messages = items.filter((item) => item.type === "agentMessage")
  const last = messages.findLast(({ phase }) => phase === "final_answer")
    ?? messages.findLast(({ phase }) => (phase ?? null) === null)
  return item === last
}

const thought = (item: Received.ThreadItem, { marker }: Answer): ReadonlyArray<Response.PartEncoded> => {
  const summary = item.type === "reasoning" ? item.summary.join("\n\n") : ""
  return summary === "" ? [] : [{ type: "reasoning", text: summary, metadata: { codex: marker } }]
}

/** What was thought and done in a turn whose answer did not match its schema. */
const attempted = (result: TurnResult<unknown>, answer: Answer): ReadonlyArray<Response.PartEncoded> =>
  result.items.flatMap((item) => [...thought(item, answer), ...doneBy(item, answer)])

/**
 * @param earlier the turns before, whose answers did not match the schema
 * @param text replaces the final answer
 */
export const ofResult = (
  result: TurnResult<unknown>,
  answer: Answer,
  reason: FinishReason,
  earlier: ReadonlyArray<TurnResult<unknown>> = [],
  text = Option.getOrElse(result.finalResponse, () => "")
): Array<Response.PartEncoded> => {
  const metadata = { codex: answer.marker }
  const final = { type: "text" as const, text, metadata }
  const parts = result.items.flatMap((item): ReadonlyArray<Response.PartEncoded> => {
    switch (item.type) {
      case "agentMessage":
        // `effect/ai` joins all texts of an answer, so commentary must not be text.
        return isFinal(item, result.items) ? [final] : [{ type: "reasoning", text: item.text, metadata }]
      case "reasoning":
        return thought(item, answer)
      default:
        return doneBy(item, answer)
    }
  })
  const model = Option.getOrUndefined(result.model)
  return [
    begin({ id: result.id, model }),
    ...earlier.flatMap((result) => attempted(result, answer)),
    ...parts,
    // A conversation finds its thread through the marker of a part, so there must be one.
    ...(parts.some(({ type }) => type === "text") ? [] : [final]),
    finish([...earlier, result], answer.marker, reason)
  ]
}

// =============================================================================
// Streamed answers
// =============================================================================

type Delta = Response.StreamPartEncoded

const between = "\n\n"

/** A message or a reasoning item that is being written. */
interface Block {
  readonly kind: "text" | "reasoning"
  /** The id in the stream. It stays the same when the model starts over. */
  readonly id: string
  itemId: string
  told: string
  /** The part of `told` that the model has repeated since its stream broke. */
  again: string | undefined
}

/**
 * Folds the events of a turn into parts. A stream cannot take text back, so text that the model repeats is emitted
 * once.
 */
export class Fold {
  private open: Block | undefined
  private broken = false
  private blocks = 0
  private hasText = false
  private readonly answer: Answer

  constructor(answer: Answer) {
    this.answer = answer
  }

  step(event: TurnEvent): ReadonlyArray<Delta> {
    switch (event._tag) {
      case "item/started": {
        const { item } = event.params
        if (item.type === "agentMessage") return this.begin(item.phase === "commentary" ? "reasoning" : "text", item.id)
        return item.type === "reasoning" ? this.begin("reasoning", item.id) : []
      }
      case "item/agentMessage/delta":
        return this.more("text", event.params.itemId, event.params.delta)
      case "item/reasoning/summaryTextDelta":
        return this.more("reasoning", event.params.itemId, event.params.delta)
      case "item/reasoning/summaryPartAdded": {
        const { itemId, summaryIndex } = event.params
        return summaryIndex > 0 ? this.more("reasoning", itemId, between) : []
      }
      case "item/completed": {
        const { item } = event.params
        if (item.type === "agentMessage") {
          return this.whole(item.phase === "commentary" ? "reasoning" : "text", item.id, item.text)
        }
        return item.type === "reasoning"
          ? this.whole("reasoning", item.id, item.summary.join(between))
          : doneBy(item, this.answer)
      }
      case "error":
        if (event.params.willRetry) this.broken = this.open !== undefined
        return []
      default:
        return []
    }
  }

  /** The remaining parts once the turn has ended. */
  end(): ReadonlyArray<Delta> {
    const closed = this.close()
    return this.hasText ? closed : [...closed, ...this.begin("text", "answer"), ...this.close()]
  }

  private begin(kind: Block["kind"], itemId: string): ReadonlyArray<Delta> {
    const { open } = this
    if (open !== undefined && this.broken && open.kind === kind) {
      this.broken = false
      open.itemId = itemId
      open.again = ""
      return []
    }
    const closed = this.close()
    this.open = { kind, id: `${this.blocks++}`, itemId, told: "", again: undefined }
    if (kind === "text") this.hasText = true
    const metadata = { codex: this.answer.marker }
    return [...closed, { type: `${kind}-start`, id: this.open.id, metadata } as Delta]
  }

  private close(): ReadonlyArray<Delta> {
    const { open } = this
    this.open = undefined
    this.broken = false
    if (open === undefined) return []
    return [{ type: `${open.kind}-end`, id: open.id, metadata: { codex: this.answer.marker } } as Delta]
  }

  private more(kind: Block["kind"], itemId: string, text: string): ReadonlyArray<Delta> {
    const begun = this.open?.itemId === itemId ? [] : this.begin(kind, itemId)
    const told = this.tell(text)
    return begun.length === 0 ? told : [...begun, ...told]
  }

  private tell(text: string): ReadonlyArray<Delta> {
    const { open } = this
    if (open === undefined || text === "") return []
    if (open.again === undefined) {
      open.told += text
      return [this.delta(open, text)]
    }
    if (open.told.startsWith(text, open.again.length)) {
      open.again += text
      return []
    }
    const whole = open.again + text
    const rest = whole.startsWith(open.told) ? whole.slice(open.told.length) : between + whole
    open.told = whole
    open.again = undefined
    return [this.delta(open, rest)]
  }

  private delta(open: Block, delta: string): Delta {
    return { type: `${open.kind}-delta`, id: open.id, delta } as Delta
  }

  private whole(kind: Block["kind"], itemId: string, text: string): ReadonlyArray<Delta> {
    const begun = this.open?.itemId === itemId ? [] : this.begin(kind, itemId)
    const open = this.open!
    const known = open.again ?? open.told
    // Text remains only if the server sent no deltas: a slow reader gets merged deltas, but loses none.
    const rest = text.startsWith(known) ? this.tell(text.slice(known.length)) : []
    return [...begun, ...rest, ...this.close()]
  }
}
