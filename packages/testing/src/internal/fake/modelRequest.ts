/** The request that the real codex would have sent to its model. */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import type { ModelRequest, Outcome } from "../../ScriptedModel.ts"
import * as RequestBody from "../requestBody.ts"
import * as Agents from "./agents.ts"
import { type Metadata, metadataHeader } from "./carried.ts"
import type { Connection } from "./connection.ts"
import type { StoredThread } from "./home.ts"
import * as OwnTools from "./ownTools.ts"

/** Computes most members on access: a script may not read them, and the history grows with each turn. */
export class FakeRequest implements ModelRequest {
  readonly index: number
  readonly model: string
  /** Empty, because codex sends the instructions as a developer message. */
  readonly instructions = ""
  readonly outputSchema: Option.Option<Schema.Json>
  readonly authorization: Option.Option<Redacted.Redacted>
  readonly outcome: Effect.Effect<Outcome>
  private readonly connection: Connection
  private readonly thread: StoredThread
  private readonly baseInstructions: string
  private readonly length: number
  private readonly turnMetadata: string

  constructor(
    connection: Connection,
    thread: StoredThread,
    options: {
      readonly index: number
      readonly model: string
      readonly outputSchema: Schema.Json | undefined
      readonly turnId: string
      readonly metadata: Metadata
      readonly outcome: Effect.Effect<Outcome>
    }
  ) {
    this.index = options.index
    this.model = options.model
    this.outputSchema = Option.fromUndefinedOr(options.outputSchema)
    this.outcome = options.outcome
    const { login, requiresOpenaiAuth } = connection.home
    this.authorization = login?.type === "apiKey" && requiresOpenaiAuth
      ? Option.some(Redacted.make(`Bearer ${login.key}`))
      : Option.none()
    this.connection = connection
    this.thread = thread
    this.baseInstructions = thread.settings.baseInstructions
    this.length = thread.history.length
    this.turnMetadata = metadataHeader(thread.id, options.turnId, options.metadata)
  }

  get input(): ReadonlyArray<Schema.JsonObject> {
    const history = this.thread.history.slice(0, this.length)
    return this.baseInstructions === ""
      ? history
      : [RequestBody.developerMessage(this.baseInstructions), ...history]
  }

  /** The headers about the client and its thread. codex sends more, about the connection and itself. */
  get headers(): Readonly<Record<string, string>> {
    const { originator, userAgent } = this.connection
    const { id } = this.thread
    return {
      "accept": "text/event-stream",
      "content-type": "application/json",
      originator,
      "session-id": id,
      "thread-id": id,
      "user-agent": userAgent,
      "x-client-request-id": id,
      "x-codex-turn-metadata": this.turnMetadata
    }
  }

  get prompt(): string {
    return RequestBody.promptOf(this.input)
  }

  get userTexts(): ReadonlyArray<string> {
    return RequestBody.userTextsOf(this.input)
  }

  get toolOutputs(): ModelRequest["toolOutputs"] {
    return RequestBody.toolOutputsOf(this.input)
  }

  get tools(): ReadonlyArray<Schema.JsonObject> {
    return OwnTools.offered(this.thread.features, this.thread.dynamicTools, Agents.areOffered(this.thread))
  }

  get body(): Schema.JsonObject {
    return {
      model: this.model,
      input: this.input,
      tools: this.tools,
      ...Option.match(this.outputSchema, {
        onNone: () => ({}),
        onSome: (schema) => ({ text: { format: { type: "json_schema", schema } } })
      })
    }
  }
}
