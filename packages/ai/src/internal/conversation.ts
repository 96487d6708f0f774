/** Reads a prompt: which thread it continues, which messages that thread lacks, and the input of the new turn. */
import * as Input from "@effect-codex/client/Input"
import * as AiError from "effect/ai/AiError"
import type * as Prompt from "effect/ai/Prompt"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import { dataUrl } from "./dataUrl.ts"
import { digestOf, type Marker, markerOf } from "./marker.ts"
import { PastCalls } from "./pastCalls.ts"

export interface Conversation {
  /** The thread and turn to continue. */
  readonly marker: Marker | undefined
  /** The messages between that turn and the input: answers of another model, and late system messages. */
  readonly since: ReadonlyArray<Prompt.Message>
  /** The leading system messages. */
  readonly system: string
  /** Everything before the input, except for the leading system messages. */
  readonly history: ReadonlyArray<Prompt.Message>
  /** The input of the new turn. */
  readonly input: ReadonlyArray<Prompt.Message>
  /** The digest to put into the answer's marker. */
  readonly digest: string
}

const isSystem = (message: Prompt.Message): message is Prompt.SystemMessage => message.role === "system"

const withoutInput = (messages: ReadonlyArray<Prompt.Message>) => {
  const last = messages.findLastIndex(({ role }) => role !== "user")
  return [messages.slice(0, last + 1), messages.slice(last + 1)] as const
}

/** @param instructions the configured instructions; a thread keeps them, as it keeps the leading system messages */
export const read = ({ content }: Prompt.Prompt, instructions: string): Conversation => {
  const at = content.findLastIndex((message) => markerOf(message) !== undefined)
  const found = at < 0 ? undefined : markerOf(content[at]!)
  const isOurs = found !== undefined && found.before === digestOf(instructions, content.slice(0, at))
  const [system, rest] = Arr.span(content, isSystem)
  const [history, input] = withoutInput(rest)
  return {
    marker: isOurs ? found : undefined,
    since: isOurs ? withoutInput(content.slice(at + 1))[0] : [],
    system: system.map(({ content }) => content).join("\n\n"),
    history,
    input,
    digest: digestOf(instructions, content)
  }
}

// =============================================================================
// Files
// =============================================================================

const refused = (description: string) =>
  AiError.make({
    module: "CodexLanguageModel",
    method: "prompt",
    reason: new AiError.InvalidUserInputError({ description })
  })

const isText = (mediaType: string): boolean => mediaType.startsWith("text/") || /[/+](json|xml|yaml)$/.test(mediaType)

/** Whoever uploaded a file may have chosen its name and type, so they must not end the tag. */
const attribute = (value: string): string => JSON.stringify(value).replaceAll("<", "\\u003c").replaceAll(">", "\\u003e")

const textOf = ({ data, fileName, mediaType }: Prompt.FilePart): Effect.Effect<string, AiError.AiError> => {
  const bytes = data instanceof URL
    ? undefined
    : Predicate.isString(data)
    ? Base64.decode(data.replace(/^data:[^,]*,/, ""))
    : data
  const text = bytes instanceof Uint8Array
    ? bytes
    : bytes !== undefined && bytes._tag === "Success"
    ? bytes.success
    : undefined
  return text === undefined
    ? Effect.fail(refused(`A file of type ${mediaType} must be passed as bytes or base64.`))
    : Effect.succeed(
      `<file name=${attribute(fileName ?? "file")} type=${attribute(mediaType)}>\n${
        new TextDecoder().decode(text)
      }\n</file>`
    )
}

type Media =
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "Image" | "Audio" | "LocalImage"; readonly url: string }

/** The path of a file URL; `undefined` if it is not valid, or names another machine. */
const pathOf = ({ host, pathname }: URL): string | undefined => {
  if (host !== "") return undefined
  try {
    return decodeURIComponent(pathname)
  } catch {
    return undefined
  }
}

/** Converts a file to one of the forms that codex accepts. */
const mediaOf = (part: Prompt.FilePart): Effect.Effect<Media, AiError.AiError> => {
  const { data, mediaType } = part
  const isImage = mediaType.startsWith("image/")
  if (data instanceof URL && data.protocol !== "data:") {
    const path = data.protocol === "file:" && isImage ? pathOf(data) : undefined
    return path !== undefined
      ? Effect.succeed({ _tag: "LocalImage", url: path })
      : Effect.fail(
        refused(`codex does not fetch ${data.protocol}// files. Pass ${part.fileName ?? "it"} as bytes or base64.`)
      )
  }
  if (isImage) return Effect.succeed({ _tag: "Image", url: dataUrl(part) })
  if (mediaType.startsWith("audio/")) return Effect.succeed({ _tag: "Audio", url: dataUrl(part) })
  return isText(mediaType)
    ? Effect.map(textOf(part), (text) => ({ _tag: "Text", text }))
    : Effect.fail(
      refused(`codex accepts only images, audio and text; ${part.fileName ?? "a file"} is ${mediaType}.`)
    )
}

// =============================================================================
// The input of a turn
// =============================================================================

export const inputOf = (
  messages: ReadonlyArray<Prompt.Message>
): Effect.Effect<Array<Input.InputItem>, AiError.AiError> =>
  Effect.forEach(
    messages.flatMap((message) => message.role === "user" ? message.content : []),
    (part) => {
      if (part.type === "text") return Effect.succeed(Input.text(part.text))
      return Effect.map(mediaOf(part), (media) => {
        switch (media._tag) {
          case "Text":
            return Input.text(media.text)
          case "Image":
            return Input.image(media.url)
          case "Audio":
            return Input.audio(media.url)
          case "LocalImage":
            return Input.localImage(media.url)
        }
      })
    }
  )

// =============================================================================
// Items for a thread's history
// =============================================================================

const message = (role: "user" | "assistant" | "developer", content: ReadonlyArray<Schema.Json>): Schema.Json => ({
  type: "message",
  role,
  content: [...content]
})

const userContent = (part: Prompt.TextPart | Prompt.FilePart): Effect.Effect<Schema.Json, AiError.AiError> => {
  if (part.type === "text") return Effect.succeed({ type: "input_text", text: part.text })
  return Effect.flatMap(mediaOf(part), (media): Effect.Effect<Schema.Json, AiError.AiError> => {
    switch (media._tag) {
      case "Text":
        return Effect.succeed({ type: "input_text", text: media.text })
      case "Image":
        return Effect.succeed({ type: "input_image", image_url: media.url })
      default:
        return Effect.fail(
          refused("In the history of another model, codex accepts only text files, and images as bytes or base64.")
        )
    }
  })
}

/**
 * Converts messages to items of the Responses API. Leaves out reasoning, which only the model that wrote it can use.
 */
export const itemsOf = (
  messages: ReadonlyArray<Prompt.Message>
): Effect.Effect<Array<Schema.Json>, AiError.AiError> => {
  const calls = new PastCalls(messages)
  return Effect.map(
    Effect.forEach(messages, (it): Effect.Effect<Array<Schema.Json>, AiError.AiError> => {
      switch (it.role) {
        case "system":
          return Effect.succeed([message("developer", [{ type: "input_text", text: it.content }])])
        case "user":
          return Effect.map(Effect.forEach(it.content, userContent), (content) => [message("user", content)])
        default:
          return Effect.succeed(it.content.flatMap((part): Array<Schema.Json> => {
            switch (part.type) {
              case "text":
                return part.text === "" ? [] : [message("assistant", [{ type: "output_text", text: part.text }])]
              case "tool-call":
                return calls.call(part)
              case "tool-result":
                return calls.result(part)
              default:
                return []
            }
          }))
      }
    }),
    (items) => items.flat()
  )
}
