/** The request that the real codex would have made of its model. */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import type { ModelRequest, Outcome } from "../../ScriptedModel.ts"
import * as Json from "../json.ts"
import * as RequestBody from "../requestBody.ts"
import type { Home, StoredThread } from "./home.ts"

/** Most of it is computed when it is asked for: a script may not look, and the history grows with each turn. */
export class FakeRequest implements ModelRequest {
  readonly index: number
  readonly model: string
  readonly instructions: string
  readonly outputSchema: Option.Option<Schema.Json>
  readonly headers: Readonly<Record<string, string>> = {}
  readonly authorization: Option.Option<Redacted.Redacted>
  readonly outcome: Effect.Effect<Outcome>
  private readonly thread: StoredThread
  private readonly length: number

  constructor(
    home: Home,
    thread: StoredThread,
    options: {
      readonly index: number
      readonly model: string
      readonly outputSchema: Schema.Json | undefined
      readonly outcome: Effect.Effect<Outcome>
    }
  ) {
    this.index = options.index
    this.model = options.model
    this.instructions = thread.settings.baseInstructions
    this.outputSchema = Option.fromUndefinedOr(options.outputSchema)
    this.outcome = options.outcome
    this.authorization = home.login?.type === "apiKey"
      ? Option.some(Redacted.make(`Bearer ${home.login.key}`))
      : Option.none()
    this.thread = thread
    this.length = thread.history.length
  }

  get input(): ReadonlyArray<Schema.JsonObject> {
    return this.thread.history.slice(0, this.length)
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
    const dynamic = this.thread.dynamicTools.flatMap((spec) => spec.type === "namespace" ? spec.tools : [spec])
    return [
      { type: "function", name: "exec_command" },
      ...dynamic.map(({ description, inputSchema, name }) => ({
        type: "function",
        name,
        description,
        parameters: Json.orUndefined(inputSchema) ?? null
      }))
    ]
  }

  get body(): Schema.JsonObject {
    return {
      model: this.model,
      instructions: this.instructions,
      input: this.input,
      tools: this.tools,
      ...Option.match(this.outputSchema, {
        onNone: () => ({}),
        onSome: (schema) => ({ text: { format: { type: "json_schema", schema } } })
      })
    }
  }
}
