/**
 * What MCP servers ask of the user, `mcpServer/elicitation/request`, as a handler with types of its own: forms, pages to
 * open, and the approval of calls of their tools.
 *
 * Codex tells each MCP server that it takes elicitations, forms and URLs, whatever the client handles. With
 * `ApprovalMode.denyAll` and `.dangerouslyBypass` it declines them itself; in the other modes they come here, and without a
 * handler they are declined. The turn goes on whatever the answer is, and the time that an answer takes does not count
 * against the `tool_timeout_sec` of the MCP server. A turn that is interrupted cancels what it waits for (all measured on
 * codex 0.169).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Fields from "./internal/serverRequests/elicitationFields.ts"
import * as Elicitations from "./internal/serverRequests/elicitations.ts"
import { TaggedError } from "./internal/taggedError.ts"
import { unfitAnswer } from "./internal/text/unfitAnswer.ts"
import type * as Received from "./Received.ts"
import type * as Sent from "./Sent.ts"
import * as ServerRequests from "./ServerRequests.ts"

// =============================================================================
// Requests
// =============================================================================

interface Asked {
  readonly threadId: string
  /** The turn that waits, if the server could tell. */
  readonly turnId: string | undefined
  /** The name of the MCP server in the configuration. */
  readonly serverName: string
  /** The environment whose configuration has the server; undefined for one of the whole thread, and before codex 0.171. */
  readonly environmentId: string | undefined
  /** `_meta` of the MCP request, which codex hands on as it is. */
  readonly meta: Received.JsonValue
}

/**
 * The MCP server wants a form filled in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Form extends Asked {
  readonly _tag: "Form"
  readonly message: string
  /** The fields in the order that they come in; codex 0.169 sorts them by name. None: the message asks for a yes or no. */
  readonly fields: ReadonlyArray<Field>
}

/**
 * The MCP server wants the user to open a page. To accept says that the user agrees, not that he is done there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Url extends Asked {
  readonly _tag: "Url"
  readonly message: string
  readonly url: string
  readonly elicitationId: string
}

/**
 * The agent wants to call a tool of an MCP server, and may not do so without being asked: codex asks for tools that do not
 * declare themselves `readOnlyHint`, unless the configuration of the server says otherwise (`default_tools_approval_mode`,
 * `tools.<tool>.approval_mode`). With `ApprovalMode.autoReview` its own reviewer decides, `.denyAll` refuses and
 * `.dangerouslyBypass` allows without asking (measured on codex 0.169).
 *
 * `accept` calls the tool. `decline` and `cancel` do not: the model is told that the user rejected or cancelled the call,
 * and the turn goes on.
 *
 * `Approvals` handles these together with the other approvals; where both do, `Approvals` gets them.
 *
 * **Gotchas**
 *
 * An MCP server can ask like this as well, about nobody but itself. It then learns the answer, and nothing else happens.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolApproval extends Asked {
  readonly _tag: "ToolApproval"
  /** Codex's question, for display. */
  readonly message: string
  /** Empty on codex before 0.167, which names it in `message` alone. */
  readonly tool: string
  readonly title: string | undefined
  readonly description: string | undefined
  /** What the tool would be called with. */
  readonly arguments: Received.JsonValue
  /** What the MCP server says of its tool, such as `destructiveHint`. Not to be relied on. */
  readonly annotations: Received.JsonValue
  /** How long an acceptance can hold beyond this call: see {@link acceptForSession} and {@link acceptAlways}. */
  readonly persist: ReadonlyArray<Persist>
}

/**
 * The user has to prove that it is him. What the answer has to hold is not public: the content of an acceptance is sent as
 * it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface UserVerification extends Asked {
  readonly _tag: "UserVerification"
  readonly title: string
  readonly description: string
  readonly challenge: string
}

/**
 * A form with a JSON Schema of any kind, `openai/form`. The content of an acceptance is sent as it is. MCP servers may send
 * them only to a client that declares the extension `openai/form` when it connects (measured), which this one does not.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpaqueForm extends Asked {
  readonly _tag: "OpaqueForm"
  readonly message: string
  readonly requestedSchema: Received.JsonValue
}

/**
 * A kind that this version does not know, from a newer server. Decline it, or answer as its documentation says: the content
 * of an acceptance is sent as it is. `threadId` and `serverName` are empty if they did not come.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unknown extends Asked {
  readonly _tag: "Unknown"
  readonly mode: string
  readonly params: { readonly [key: string]: unknown }
}

/**
 * Whatever an MCP server may ask the user for. Tell them apart by `_tag`.
 *
 * @category models
 * @since 0.1.0
 */
export type Request = Form | Url | ToolApproval | UserVerification | OpaqueForm | Unknown

// =============================================================================
// Fields
// =============================================================================

interface AnyField {
  /** The key of the content. */
  readonly name: string
  readonly title: string | undefined
  readonly description: string | undefined
  readonly isRequired: boolean
}

/**
 * A text. Of formats that are not named here nothing is checked. The lengths count characters.
 *
 * @category models
 * @since 0.1.0
 */
export interface TextField extends AnyField {
  readonly _tag: "Text"
  readonly format: Received.McpElicitationStringFormat | undefined
  readonly minLength: number | undefined
  readonly maxLength: number | undefined
  readonly default: string | undefined
}

/**
 * A number, or an integer, with its bounds as far as the server has any.
 *
 * @category models
 * @since 0.1.0
 */
export interface NumberField extends AnyField {
  readonly _tag: "Number"
  readonly isInteger: boolean
  readonly minimum: number | undefined
  readonly maximum: number | undefined
  readonly default: number | undefined
}

/**
 * A choice between true and false.
 *
 * @category models
 * @since 0.1.0
 */
export interface BooleanField extends AnyField {
  readonly _tag: "Boolean"
  readonly default: boolean | undefined
}

/**
 * A value to choose. The title is for display; it is the value unless the MCP server gave another.
 *
 * @category models
 * @since 0.1.0
 */
export interface Choice {
  readonly value: string
  readonly title: string
}

/**
 * One of several choices. The answer is the `value` of a choice.
 *
 * @category models
 * @since 0.1.0
 */
export interface SingleChoiceField extends AnyField {
  readonly _tag: "SingleChoice"
  readonly choices: ReadonlyArray<Choice>
  readonly default: string | undefined
}

/**
 * Some of several choices. The answer is a list of their `value`s.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultipleChoiceField extends AnyField {
  readonly _tag: "MultipleChoice"
  readonly choices: ReadonlyArray<Choice>
  readonly minItems: number | undefined
  readonly maxItems: number | undefined
  readonly default: ReadonlyArray<string> | undefined
}

/**
 * A field of a kind that this version does not know. What is given for it is not checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnknownField extends AnyField {
  readonly _tag: "Unknown"
  readonly schema: unknown
}

/**
 * A field of a form. Tell them apart by `_tag`.
 *
 * @category models
 * @since 0.1.0
 */
export type Field = TextField | NumberField | BooleanField | SingleChoiceField | MultipleChoiceField | UnknownField

// =============================================================================
// Answers
// =============================================================================

/**
 * How long the acceptance of a tool's call holds: while the thread is loaded, or for good.
 *
 * @category models
 * @since 0.1.0
 */
export type Persist = "session" | "always"

/**
 * What a form is filled in with, by the names of its fields. A field that is left out, or undefined, is not sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Content {
  readonly [field: string]: Schema.Json | undefined
}

/**
 * An answer, made by the constructors of this module.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly action: Sent.McpServerElicitationAction
  readonly content: Content | undefined
  readonly persist: Persist | undefined
}

/**
 * Accepts: sends the content of a form, agrees to open a page, calls the tool.
 *
 * @category answers
 * @since 0.1.0
 */
export const accept = (content?: Content): Answer => ({ action: "accept", content, persist: undefined })

/**
 * Accepts the call of a tool and does not ask again for this tool while the thread is loaded, whatever its arguments are.
 * The same as {@link accept} when the request does not offer it.
 *
 * @category answers
 * @since 0.1.0
 */
export const acceptForSession: Answer = { action: "accept", content: undefined, persist: "session" }

/**
 * Accepts the call of a tool and never asks again for this tool: codex writes `approval_mode = "approve"` for it to its
 * `config.toml`. The same as {@link accept} when the request does not offer it.
 *
 * @category answers
 * @since 0.1.0
 */
export const acceptAlways: Answer = { action: "accept", content: undefined, persist: "always" }

/**
 * The user does not want it. What happens without a handler.
 *
 * @category answers
 * @since 0.1.0
 */
export const decline: Answer = { action: "decline", content: undefined, persist: undefined }

/**
 * The user has not decided, and went away.
 *
 * @category answers
 * @since 0.1.0
 */
export const cancel: Answer = { action: "cancel", content: undefined, persist: undefined }

/**
 * The content does not fit the form. Codex would have handed it to the MCP server all the same (measured), so nothing of it
 * is sent: the failure is reported in the log, without the values, and the elicitation is declined.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContentInvalid
  extends TaggedError<ContentInvalid>("@effect-codex/client/Elicitation/ContentInvalid")("ElicitationContentInvalid", {
    serverName: Schema.String,
    issues: Schema.Array(Schema.Struct({
      field: Schema.String,
      expected: Schema.String
    }))
  })
{
  override get message(): string {
    const issues = this.issues.map(({ expected, field }) => `${field}: expected ${expected}`)
    return `The content does not fit what the MCP server ${this.serverName} asked for. ${issues.join("; ")}.`
  }
}

/**
 * Checks content the way it is checked before it is sent: the fields of a form, and that a page or a tool's approval gets
 * none. For a program that wants to ask again.
 *
 * **Example** (Asking until it fits)
 *
 * ```ts
 * import { Elicitation } from "@effect-codex/client"
 * import { Console, Effect } from "effect"
 *
 * export const fill = <E, R>(form: Elicitation.Form, ask: Effect.Effect<Elicitation.Content, E, R>) =>
 *   ask.pipe(
 *     Effect.tap((content) => Elicitation.check(form, content)),
 *     Effect.map(Elicitation.accept),
 *     Effect.tapError(Console.error),
 *     Effect.retry({ times: 2 })
 *   )
 * ```
 *
 * @category validation
 * @since 0.1.0
 */
export const check = (request: Request, content: Content): Effect.Effect<void, ContentInvalid> => {
  if (request._tag === "OpaqueForm" || request._tag === "UserVerification" || request._tag === "Unknown") {
    return Effect.void
  }
  const issues = Fields.issues(request._tag === "Form" ? request.fields : [], content)
  return issues.length === 0
    ? Effect.void
    : Effect.fail(new ContentInvalid({ serverName: request.serverName, issues }))
}

// =============================================================================
// Handlers
// =============================================================================

/**
 * Answers elicitations. It may take up to `ServerRequests.HandlerTimeout` and is interrupted when its turn ends. One that
 * fails, or whose content does not fit, is reported and declines.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<R = never> = (request: Request) => Effect.Effect<Answer, unknown, R>

/**
 * The handler for a thread or a turn, with the services that it requires taken from where this runs.
 *
 * **Example** (Letting one MCP server do what it wants during one turn)
 *
 * ```ts
 * import { ApprovalMode, Elicitation, type Thread } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const file = Effect.fn("file")(function*(thread: Thread.Thread) {
 *   const handlers = yield* Elicitation.make((request) =>
 *     Effect.succeed(
 *       request._tag === "ToolApproval" && request.serverName === "tickets"
 *         ? Elicitation.accept()
 *         : Elicitation.decline
 *     )
 *   )
 *   return yield* thread.run("File a ticket.", { approvalMode: ApprovalMode.ask, handlers })
 * })
 * ```
 *
 * @category handlers
 * @since 0.1.0
 */
export const make = <R = never>(handler: Handler<R>): Effect.Effect<ServerRequests.Overrides, never, R> =>
  ServerRequests.make(handlers(handler))

/**
 * Replaces a client's handler. Provide it to the client's layer.
 *
 * **Example** (Asking on a terminal)
 *
 * ```ts
 * import { Elicitation } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Effect, Layer } from "effect"
 * import { Prompt } from "effect/cli"
 *
 * const handler = Effect.fnUntraced(function*(request: Elicitation.Request) {
 *   switch (request._tag) {
 *     case "ToolApproval":
 *     case "Url": {
 *       const agreed = yield* Prompt.run(Prompt.Confirm({ message: request.message }))
 *       return agreed ? Elicitation.accept() : Elicitation.decline
 *     }
 *     case "Form": {
 *       const content: Record<string, string> = {}
 *       for (const field of request.fields) {
 *         if (field._tag !== "Text") return Elicitation.decline
 *         content[field.name] = yield* Prompt.run(Prompt.String({ message: field.title ?? field.name }))
 *       }
 *       return Elicitation.accept(content)
 *     }
 *     default:
 *       return Elicitation.decline
 *   }
 * })
 *
 * export const CodexLive = CodexNode.layer().pipe(Layer.provide(Elicitation.layer(handler)))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(handler: Handler<R>): Layer.Layer<never, never, R> =>
  ServerRequests.layer(handlers(handler))

// =============================================================================
// Internal
// =============================================================================

function handlers<R>(handler: Handler<R>) {
  return {
    "mcpServer/elicitation/request": ({ params }: ServerRequests.Request<"mcpServer/elicitation/request">) => {
      const request = Elicitations.requestOf(params)
      return Effect.flatMap(
        handler(request),
        (answer): Effect.Effect<Sent.McpServerElicitationRequestResponse, unknown> =>
          !Predicate.hasProperty(answer, "action")
            ? Effect.fail(unfitAnswer(answer, "an answer of Elicitation"))
            : Effect.as(
              answer.action === "accept" ? check(request, answer.content ?? {}) : Effect.void,
              Elicitations.responseOf(request, answer)
            )
      )
    }
  }
}
