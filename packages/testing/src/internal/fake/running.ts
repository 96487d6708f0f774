/** A turn that runs: what it holds, and how its items are told. */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Schema from "effect/Schema"
import type { ExecRequest, ExecResult } from "../../FakeAppServer.ts"
import type { Script } from "../script.ts"
import type { Metadata } from "./carried.ts"
import type { Connection, LoadedThread } from "./connection.ts"
import type { Settings, StoredTurn } from "./home.ts"
import * as Input from "./input.ts"

export interface Engine {
  readonly connection: Connection
  readonly script: Script
  readonly exec: (request: ExecRequest) => Effect.Effect<ExecResult>
  readonly url: string
  /** How often a request whose stream broke is retried. */
  readonly streamMaxRetries: number
  /** Begins a turn of a subagent. */
  readonly startTurn: (thread: LoadedThread, message: Message, rootTurnId: string) => Effect.Effect<void>
}

/** A message of the user. */
export interface Message {
  readonly input: ReadonlyArray<Received.UserInput>
  readonly clientId: string | null
  /** What the history gets before the message. */
  readonly context: ReadonlyArray<Schema.JsonObject>
}

export interface RunningTurn {
  readonly stored: StoredTurn
  settings: Settings
  /** For the model's provider. */
  metadata: Metadata
  readonly outputSchema: Schema.Json | undefined
  /** The user's messages that the model has not seen yet. */
  readonly pending: Array<Message>
  /** Completes when a message becomes pending. */
  steered: Deferred.Deferred<void>
  /** The id of the server request that the turn waits for. */
  waitingFor: number | undefined
  /** Whether a tool runs after its response has ended. */
  inTool: boolean
  /** Whether the client was notified that another model answers. That happens once in a turn. */
  isRerouted: boolean
  diff: string
  fiber: Fiber.Fiber<void> | undefined
}

/** The script needs a feature that the fake does not support. */
export class Unsupported extends Data.TaggedError("Unsupported")<{ readonly what: string }> {}

export const messageOf = (
  input: ReadonlyArray<Sent.UserInput>,
  clientId: string | null | undefined,
  context: Message["context"] = []
): Message => ({
  input: input.map(Input.contentOf),
  clientId: clientId ?? null,
  context
})

/** Gives a running turn another message. */
export const steer = (running: RunningTurn, message: Message): void => {
  running.pending.push(message)
  Deferred.doneUnsafe(running.steered, Effect.void)
}

export interface Told {
  readonly connection: Connection
  readonly thread: LoadedThread
  readonly turn: RunningTurn
}

export const idsOf = ({ thread, turn }: Told) => ({ threadId: thread.stored.id, turnId: turn.stored.id })

export const started = (told: Told, item: Received.ThreadItem): number => {
  const startedAtMs = told.connection.now()
  told.connection.tell(told.thread, "item/started", {
    item: { ...item, startedAtMs, completedAtMs: null },
    turnId: told.turn.stored.id,
    startedAtMs
  })
  return startedAtMs
}

export const completed = (told: Told, item: Received.ThreadItem, startedAtMs: number): Received.ThreadItem => {
  const completedAtMs = told.connection.now()
  const stored = { ...item, startedAtMs, completedAtMs }
  told.turn.stored.items.push(stored)
  told.connection.tell(told.thread, "item/completed", {
    item: stored,
    turnId: told.turn.stored.id,
    contentTokenCount: null,
    completedAtMs
  })
  return stored
}

export const agentMessage = (
  id: string,
  text: string,
  phase: Received.MessagePhase | null
): Received.ThreadItem => ({
  type: "agentMessage",
  moderation: null,
  id,
  text,
  phase,
  memoryCitation: null,
  delivery: null,
  questions: null
})

export const sayPending = (told: Told): void => {
  const { connection, thread, turn } = told
  const { history } = thread.stored
  for (const { clientId, context, input } of turn.pending.splice(0)) {
    history.push(...context)
    if (input.length === 0) continue
    const item: Received.ThreadItem = { type: "userMessage", id: connection.home.nextId(), clientId, content: input }
    completed(told, item, started(told, item))
    history.push({ type: "message", role: "user", content: Input.modelContent(input) })
    if (thread.stored.preview === "") {
      thread.stored.preview = input.find((part) => part.type === "text")?.text ?? ""
    }
  }
  turn.steered = Deferred.makeUnsafe()
}

export const tellDiff = (told: Told): void => {
  const { diff, stored } = told.turn
  if (diff !== "") told.connection.tell(told.thread, "turn/diff/updated", { turnId: stored.id, diff })
}
