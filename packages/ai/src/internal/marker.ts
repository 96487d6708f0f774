/**
 * Links a conversation to its thread: metadata in the parts of an answer, which `effect/ai` keeps in the prompt and in
 * exported Chats.
 */
import type * as Prompt from "effect/ai/Prompt"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * The thread and turn that a part of an answer comes from. It is stored in the part's metadata; a prompt that contains
 * such a part continues that thread.
 *
 * @category models
 * @since 0.1.0
 */
export type Marker = {
  threadId: string
  turnId: string
  /** A digest of the prompt that was answered. If the prompt was changed since, it no longer belongs to the thread. */
  before: string
  /** The tools that the thread was started with: a digest of the specification that the model sees, by name. */
  tools: { [name: string]: string }
}

const isMarker = Schema.is(Schema.Struct({
  threadId: Schema.String,
  turnId: Schema.String,
  before: Schema.String,
  tools: Schema.Record(Schema.String, Schema.String)
}))

/** The marker of a message, if it is a codex answer. */
export const markerOf = (message: Prompt.Message): Marker | undefined => {
  if (message.role !== "assistant") return undefined
  for (const { options } of message.content) {
    const marker = options["codex"]
    if (isMarker(marker)) return marker
  }
  return undefined
}

/** Not cryptographic: it only compares a program's earlier prompt with its current one. */
export const digest = (text: string): string => {
  let low = 0xdeadbeef
  let high = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    low = Math.imul(low ^ code, 2_654_435_761)
    high = Math.imul(high ^ code, 1_597_334_677)
  }
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  return (4_294_967_296 * (2_097_151 & high) + (low >>> 0)).toString(36)
}

/** A store may return the keys of an object in another order. */
const sorted = (_: string, value: unknown): unknown =>
  Predicate.isObject(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)) : value

const fileData = ({ data }: Prompt.FilePart): string =>
  data instanceof URL ? data.href : Predicate.isString(data) ? data : Base64.encode(data)

// `effect/ai` removes approval requests and their answers from a prompt once they are settled.
const isSaid = ({ type }: { readonly type: string }): boolean => !type.startsWith("tool-approval-")

const said = (message: Prompt.Message): unknown => {
  if (message.role === "system") return message.content
  return message.content.filter(isSaid).map((part) => {
    switch (part.type) {
      case "text":
      case "reasoning":
        return part.text
      case "file":
        return [part.mediaType, fileData(part)]
      case "tool-call":
        return [part.id, part.name, part.params]
      case "tool-result":
        return [part.id, part.name, part.result]
      default:
        return part.type
    }
  })
}

/** A digest of a conversation's content. Ignores what a program or a store adds to the messages. */
export const digestOf = (instructions: string, messages: ReadonlyArray<Prompt.Message>): string =>
  digest(JSON.stringify([instructions, messages.map((message) => [message.role, said(message)])], sorted))
