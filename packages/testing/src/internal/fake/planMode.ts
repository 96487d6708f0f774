/** Plan mode: the modes of a thread, the plan within an answer, and the approved plan. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as RequestBody from "../requestBody.ts"
import type { Connection } from "./connection.ts"
import type { Settings, StoredThread } from "./home.ts"
import * as Refused from "./refused.ts"
import { agentMessage, completed, started, type Told } from "./running.ts"

// =============================================================================
// The modes
// =============================================================================

/** What codex tells the model of its modes, in short. The real texts are as long as 9,000 characters. */
const builtIn: { readonly [M in Sent.ModeKind]: string } = {
  default: "# Collaboration Mode: Default\n\nYou are now in Default mode.\n",
  plan: "# Plan Mode (Conversational)\n\nYou are in **Plan Mode** until a developer message explicitly ends it.\n"
}

/** The settings that a mode brings. An effort that is null resets the thread's. */
export const settingsOf = (
  mode: Sent.CollaborationMode | null | undefined
): Pick<Settings, "effort" | "mode" | "model"> | undefined => {
  if (mode === undefined || mode === null) return undefined
  const { developer_instructions: instructions, model, reasoning_effort: effort } = mode.settings
  return {
    mode: { kind: mode.mode, instructions: instructions ?? builtIn[mode.mode] },
    model,
    effort: effort ?? null
  }
}

export const modeOf = ({ effort, mode, model }: Settings): Received.CollaborationMode => ({
  mode: mode?.kind ?? "default",
  settings: { model, reasoning_effort: effort, developer_instructions: mode?.instructions ?? null }
})

export const isPlanning = ({ mode }: Settings): boolean => mode?.kind === "plan"

/** Tells the model of a mode that it does not know of. */
export const tellMode = ({ thread: { stored }, turn: { settings } }: Told): void => {
  const instructions = settings.mode?.instructions
  if (instructions === undefined || instructions === stored.toldMode) return
  stored.toldMode = instructions
  stored.history.push(RequestBody.developerMessage(`<collaboration_mode>${instructions}</collaboration_mode>`))
}

// =============================================================================
// The plan within an answer
// =============================================================================

const opening = "<proposed_plan>"
const closing = "</proposed_plan>"

/** A message in plan mode: what stands between the tags is the plan, and the rest is the message. */
export class PlannedMessage {
  private readonly told: Told
  private readonly id: string
  private readonly phase: Received.MessagePhase | null
  /** The beginning of a line that may become a tag. Undefined behind it. */
  private line: string | undefined = ""
  private isInPlan = false
  private plan: { readonly id: string; readonly startedAtMs: number; text: string } | undefined
  /** A message begins with its first visible text. */
  private message: { readonly startedAtMs: number; text: string } | undefined
  private blank = ""

  constructor(told: Told, id: string, phase: Received.MessagePhase | null) {
    this.told = told
    this.id = id
    this.phase = phase
  }

  write(delta: string): void {
    let text = ""
    const flush = () => {
      this.tell(text)
      text = ""
    }
    for (const character of delta) {
      if (this.line === undefined) {
        text += character
        if (character === "\n") this.line = ""
        continue
      }
      this.line += character
      const tag = this.isInPlan ? closing : opening
      const word = this.line.trim()
      if (character === "\n") {
        if (word === tag) {
          flush()
          this.turnPage()
        } else text += this.line
        this.line = ""
      } else if (!tag.startsWith(word)) {
        text += this.line
        this.line = undefined
      }
    }
    flush()
  }

  /** The message, if it says anything beside the plan. */
  end(): Received.ThreadItem | undefined {
    if (this.line !== undefined) {
      if (this.line.trim() === (this.isInPlan ? closing : opening)) this.turnPage()
      else this.tell(this.line)
    }
    const { id, message, phase, plan, told } = this
    if (plan !== undefined) completed(told, { type: "plan", id: plan.id, text: plan.text }, plan.startedAtMs)
    return message === undefined
      ? undefined
      : completed(told, agentMessage(id, message.text, phase), message.startedAtMs)
  }

  private turnPage(): void {
    this.isInPlan = !this.isInPlan
    if (!this.isInPlan) return
    if (this.plan !== undefined) this.plan.text = ""
    else {
      const id = this.told.connection.home.nextId()
      this.plan = { id, startedAtMs: started(this.told, { type: "plan", id, text: "" }), text: "" }
    }
  }

  private tell(text: string): void {
    if (text === "") return
    const { connection, thread, turn } = this.told
    const turnId = turn.stored.id
    if (this.isInPlan && this.plan !== undefined) {
      this.plan.text += text
      return connection.tell(thread, "item/plan/delta", { turnId, itemId: this.plan.id, delta: text })
    }
    if (this.message === undefined) {
      this.blank += text
      if (this.blank.trim() === "") return
      this.message = { startedAtMs: started(this.told, agentMessage(this.id, "", this.phase)), text: "" }
      text = this.blank
    }
    this.message.text += text
    connection.tell(thread, "item/agentMessage/delta", { turnId, itemId: this.id, delta: text })
  }
}

// =============================================================================
// The approved plan
// =============================================================================

interface Server {
  readonly connection: Connection
}

type Prepare = ClientRequests["thread/prepareApprovedPlan"]

/** What the history begins with. */
export const beginHistory = ({ developerInstructions, history }: StoredThread): void => {
  if (history.length === 0 && developerInstructions !== null) {
    history.push(RequestBody.developerMessage(developerInstructions))
  }
}

export const handlers = {
  "thread/prepareApprovedPlan": Effect.fnUntraced(function*(
    { connection }: Server,
    { markdown, threadId }: Prepare["params"],
    reply: (result: Prepare["result"]) => void
  ) {
    const thread = connection.loaded.get(threadId)
    if (thread === undefined) return yield* Refused.threadNotFound(threadId)
    if (markdown.trim() === "") return yield* Refused.invalidRequest("The approved plan is empty.")
    const tooLong = Refused.tooLong([...markdown].length)
    if (tooLong !== undefined) return yield* tooLong
    beginHistory(thread.stored)
    thread.stored.history.push({
      type: "function_call_output",
      name: "proposed_plan",
      namespace: "agent",
      output: markdown
    })
    reply({ prompt: "Implement the plan." })
  })
}
