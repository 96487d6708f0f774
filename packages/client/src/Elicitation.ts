/**
 * A typed handler for what MCP servers ask the user, `mcpServer/elicitation/request`: forms to fill in, pages to
 * open, and approvals of calls to their tools.
 *
 * Codex tells each MCP server that it supports elicitations, forms and URLs, whatever the client handles. With
 * `ApprovalMode.denyAll` and `.dangerouslyBypass`, codex declines them itself. In the other modes they arrive here,
 * and without a handler they are declined. The turn goes on whatever the answer is, and the time that an answer takes
 * does not count against the MCP server's `tool_timeout_sec`. An interrupted turn cancels the elicitation it waits
 * for.
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
  /** The turn that waits for the answer, if the server knows it. */
  readonly turnId: string | undefined
  /** The name of the MCP server in the configuration. */
  readonly serverName: string
  /**
   * The environment whose configuration contains the server. Undefined for a server of the whole thread, and before
   * codex 0.171.
   */
  readonly environmentId: string | undefined
  /** `_meta` of the MCP request, which codex passes on unchanged. */
  readonly meta: Received.JsonValue
}

/**
 * The MCP server asks the user to fill in a form.
 *
 * @see {@link accept}
 * @see {@link check}
 * @category models
 * @since 0.1.0
 */
export interface Form extends Asked {
  readonly _tag: "Form"
  readonly message: string
  /**
   * The fields in the order received; codex sorts them by name. If there are none, the message asks for a yes or no.
   */
  readonly fields: ReadonlyArray<Field>
}

/**
 * The MCP server asks the user to open a page. Accepting means that the user agrees to open it, not that they are
 * done with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Url extends Asked {
  readonly _tag: "Url"
  readonly message: string
  readonly url: string
  /** The MCP server's id of the elicitation. */
  readonly elicitationId: string
}

/**
 * The agent wants to call a tool of an MCP server that needs approval. Codex asks for tools that do not declare
 * themselves `readOnlyHint`, unless the server's configuration says otherwise (`default_tools_approval_mode`,
 * `tools.<tool>.approval_mode`). With `ApprovalMode.autoReview` codex's own reviewer decides, `.denyAll` refuses, and
 * `.dangerouslyBypass` allows without asking.
 *
 * **Details**
 *
 * `accept` calls the tool. `decline` and `cancel` do not: the model is told that the user rejected or cancelled the
 * call, and the turn goes on.
 *
 * `Approvals` handles these together with the other approvals, and takes precedence when both are installed.
 *
 * **Gotchas**
 *
 * An MCP server can send such a request by itself, without a tool call behind it. The server then learns the answer,
 * and nothing else happens.
 *
 * @see {@link acceptForSession}
 * @see {@link acceptAlways}
 * @category models
 * @since 0.1.0
 */
export interface ToolApproval extends Asked {
  readonly _tag: "ToolApproval"
  /** Codex's question, to show to the user. */
  readonly message: string
  /** The name of the tool. Empty before codex 0.167, which names the tool only in `message`. */
  readonly tool: string
  readonly title: string | undefined
  readonly description: string | undefined
  /** The arguments of the call. */
  readonly arguments: Received.JsonValue
  /** What the MCP server declares about its tool, such as `destructiveHint`. Do not rely on it. */
  readonly annotations: Received.JsonValue
  /** How long an acceptance can last beyond this call: see {@link acceptForSession} and {@link acceptAlways}. */
  readonly persist: ReadonlyArray<Persist>
}

/**
 * The user must prove their identity. The format of the answer is not public: the content of an acceptance is sent
 * unchanged.
 *
 * @category models
 * @since 0.1.0
 */
export interface UserVerification extends Asked {
  readonly _tag: "UserVerification"
  readonly title: string
  readonly description: string
  /** The challenge to prove the identity with. */
  readonly challenge: string
}

/**
 * A form with an arbitrary JSON Schema, `openai/form`. The content of an acceptance is sent unchanged. MCP servers
 * may send such forms only to a client that declares the extension `openai/form` when it connects, and this client
 * does not.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpaqueForm extends Asked {
  readonly _tag: "OpaqueForm"
  readonly message: string
  /** The JSON Schema of the form. */
  readonly requestedSchema: Received.JsonValue
}

/**
 * A kind of elicitation that this version does not know, sent by a newer server. Decline it, or answer as its
 * documentation says: the content of an acceptance is sent unchanged. `threadId` and `serverName` are empty if the
 * server did not send them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unknown extends Asked {
  readonly _tag: "Unknown"
  /** The kind, as the server names it. */
  readonly mode: string
  /** The params of the request, unchecked. */
  readonly params: { readonly [key: string]: unknown }
}

/**
 * Any elicitation. Tell them apart by `_tag`.
 *
 * @category models
 * @since 0.1.0
 */
export type Request = Form | Url | ToolApproval | UserVerification | OpaqueForm | Unknown

// =============================================================================
// Fields
// =============================================================================

interface AnyField {
  /** The key of the answer in {@link Content}. */
  readonly name: string
  readonly title: string | undefined
  readonly description: string | undefined
  readonly isRequired: boolean
}

/**
 * A text field. Unknown formats are not checked. Lengths count characters.
 *
 * @category models
 * @since 0.1.0
 */
export interface TextField extends AnyField {
  readonly _tag: "Text"
  readonly format: Received.McpElicitationStringFormat | undefined
  readonly minLength: number | undefined
  readonly maxLength: number | undefined
  /** The answer to suggest. */
  readonly default: string | undefined
}

/**
 * A number or integer field. A bound is undefined when the MCP server sets none.
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
 * A field that is true or false.
 *
 * @category models
 * @since 0.1.0
 */
export interface BooleanField extends AnyField {
  readonly _tag: "Boolean"
  readonly default: boolean | undefined
}

/**
 * One option of a choice field. The title is for display; it equals the value unless the MCP server gave another.
 *
 * @category models
 * @since 0.1.0
 */
export interface Choice {
  readonly value: string
  readonly title: string
}

/**
 * A field with one of several choices. The answer is the `value` of a choice.
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
 * A field with any number of several choices. The answer is a list of their `value`s.
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
 * A field of a kind that this version does not know. Its answer is not checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnknownField extends AnyField {
  readonly _tag: "Unknown"
  /** The JSON Schema of the field. */
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
 * How long the acceptance of a tool call lasts: `session` while the thread is loaded, `always` for good.
 *
 * @category models
 * @since 0.1.0
 */
export type Persist = "session" | "always"

/**
 * The answers to a form, keyed by field name. A field that is left out or undefined is not sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Content {
  readonly [field: string]: Schema.Json | undefined
}

/**
 * The answer to an elicitation. Create it with {@link accept}, {@link acceptForSession}, {@link acceptAlways},
 * {@link decline} or {@link cancel}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly action: Sent.McpServerElicitationAction
  /** The answers to a form. */
  readonly content: Content | undefined
  /** How long the acceptance of a tool call lasts. Undefined: for this call only. */
  readonly persist: Persist | undefined
}

/**
 * Accepts: sends the content of a form, agrees to open a page, or allows the tool call.
 *
 * @see {@link decline}
 * @see {@link cancel}
 * @category answers
 * @since 0.1.0
 */
export const accept = (content?: Content): Answer => ({ action: "accept", content, persist: undefined })

/**
 * Accepts the tool call and allows further calls of this tool, with any arguments, while the thread is loaded. Equals
 * {@link accept} when the request does not offer it.
 *
 * @see {@link acceptAlways}
 * @category answers
 * @since 0.1.0
 */
export const acceptForSession: Answer = { action: "accept", content: undefined, persist: "session" }

/**
 * Accepts the tool call and allows this tool for good: codex writes `approval_mode = "approve"` for it to its
 * `config.toml`. Equals {@link accept} when the request does not offer it.
 *
 * @see {@link acceptForSession}
 * @category answers
 * @since 0.1.0
 */
export const acceptAlways: Answer = { action: "accept", content: undefined, persist: "always" }

/**
 * The user refuses. This is also the answer without a handler.
 *
 * @see {@link cancel}
 * @category answers
 * @since 0.1.0
 */
export const decline: Answer = { action: "decline", content: undefined, persist: undefined }

/**
 * The user dismissed the request without a decision.
 *
 * @see {@link decline}
 * @category answers
 * @since 0.1.0
 */
export const cancel: Answer = { action: "cancel", content: undefined, persist: undefined }

/**
 * The content does not fit the form. Codex would pass it on to the MCP server anyway, so the client sends none of it:
 * it logs the failure without the values and declines the elicitation.
 *
 * @see {@link check}
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
 * Checks content as the client does before it sends an acceptance: that it fits the fields of a form, and that there
 * is none for a page or a tool approval.
 *
 * **When to use**
 *
 * When the program wants to ask the user again instead of declining.
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
 * Answers elicitations. It may take up to `ServerRequests.HandlerTimeout` and is interrupted when its turn ends. If
 * it fails, or its content does not fit, the failure is logged and the elicitation is declined.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<R = never> = (request: Request) => Effect.Effect<Answer, unknown, R>

/**
 * A handler for a thread or a turn. The services that it requires are captured from where this runs.
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
 * @see {@link layer} for a whole client
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
 * @see {@link make} for a thread or a turn
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
