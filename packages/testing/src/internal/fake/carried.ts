/** What a message carries beside its input: context for the model, and metadata for the model's provider. */
import type * as Sent from "@effect-codex/protocol/Sent"
import type * as Schema from "effect/Schema"
import * as RequestBody from "../requestBody.ts"
import type { StoredThread } from "./home.ts"

export type Context = Exclude<Sent.TurnStartParams["additionalContext"], null | undefined>

export type Metadata = Exclude<Sent.TurnStartParams["responsesapiClientMetadata"], null | undefined>

const toolName = (text: string): string => text.replace(/[^\w-]+/g, "_").replace(/^_+|_+$/g, "")

const itemOf = (key: string, { kind, name, value }: Sent.AdditionalContextEntry): Schema.JsonObject =>
  kind === "application"
    ? RequestBody.developerMessage(`<${key}>${value}</${key}>`)
    : { type: "function_call_output", name: toolName(name ?? key), namespace: "agent", output: value }

/** The items of the history for the entries that the last message with a context did not carry. */
export const contextItems = (thread: StoredThread, context: Context): ReadonlyArray<Schema.JsonObject> => {
  const before = thread.context
  thread.context = context
  return Object.entries(context).sort(([a], [b]) => a < b ? -1 : 1).flatMap(([key, entry]) =>
    entry === undefined || JSON.stringify(before[key]) === JSON.stringify(entry) ? [] : [itemOf(key, entry)]
  )
}

/** The header with the metadata. codex keeps the names that it uses itself. */
export const metadataHeader = (threadId: string, turnId: string, metadata: Metadata): string =>
  JSON.stringify({ ...metadata, session_id: threadId, thread_id: threadId, turn_id: turnId })
