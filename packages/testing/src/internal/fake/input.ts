/** The user's input, as codex 0.171.0 passes it on to the model. */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import type * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Refused from "./refused.ts"

export const contentOf = (input: Sent.UserInput): Received.UserInput => {
  switch (input.type) {
    case "text":
      return { ...input, text_elements: input.text_elements ?? [] }
    case "image":
    case "localImage":
      return { ...input, detail: input.detail ?? null } as Received.UserInput
    default:
      return input as Received.UserInput
  }
}

export const remoteImage = "remote image URLs are not supported; use an inline data URL instead"

export const inputText = (text: string): Schema.JsonObject => ({ type: "input_text", text })

const unreadable = inputText("image content omitted because it could not be processed")

const types: ReadonlyArray<readonly [mime: string, beginning: RegExp]> = [
  ["image/png", /^\u0089PNG\r\n\u001A\n/],
  ["image/jpeg", /^\u00FF\u00D8\u00FF/],
  ["image/gif", /^GIF8[79]a/],
  ["image/webp", /^RIFF[^]{4}WEBP/]
]

// codex decodes images, resizes large ones and converts a GIF to PNG. Here the first bytes decide.
const typeOf = (bytes: Buffer): string | undefined => {
  const start = bytes.subarray(0, 12).toString("latin1")
  return types.find(([, beginning]) => beginning.test(start))?.[0]
}

/** Whether the model gets an image. Any URL other than a data URL is passed on unchecked. */
const canShow = (url: string): boolean => {
  if (!/^data:/i.test(url)) return true
  const [, base64] = /;base64,([A-Za-z\d+/]+={0,2})$/i.exec(url) ?? []
  return base64 !== undefined && typeOf(Buffer.from(base64, "base64")) !== undefined
}

export const image = (
  image: { readonly image_url: string } | { readonly file_id: string },
  detail: string | null | undefined
): Schema.JsonObject => {
  if (detail === "low") {
    return inputText("image content omitted because detail 'low' is not supported; use 'high', 'original', or 'auto'")
  }
  if ("image_url" in image && !canShow(image.image_url)) return unreadable
  // codex sends `original` only to models that support it. The fake treats no model as one of these.
  return { type: "input_image", ...image, detail: detail === "auto" ? detail : "high" }
}

const audioFormats = "wav, mp3, m4a, webm, or ogg"

const unheard = inputText("audio content omitted because you do not support audio input")

export const audio = (url: string): Schema.JsonObject => {
  const [, type, data] = /^data:([^;,]*);base64,([A-Za-z\d+/]+={0,2})$/i.exec(url) ?? []
  if (type === undefined || data === undefined) {
    return inputText("audio content omitted because it could not be processed")
  }
  return /^audio\/(?:x-|vnd\.)?(?:wave?|mp3|mpeg|mp4|m4a|webm|ogg)$/i.test(type)
    ? unheard
    : inputText(`audio content omitted because its format is not supported; use ${audioFormats}`)
}

/** Reads a file of the user: its bytes, or the text that the model gets if it cannot be read. */
const read = (what: "image" | "audio", path: string): Buffer | string => {
  try {
    return Fs.readFileSync(path)
  } catch (error) {
    const isFolder = error instanceof Error && "code" in error && error.code === "EISDIR"
    const why = isFolder ? "Is a directory (os error 21)" : "No such file or directory (os error 2)"
    return `Codex could not read the local ${what} at \`${path}\`: ${why}`
  }
}

const tagged = (what: "image" | "audio", name: string, path: string, shown: Schema.JsonObject) => [
  inputText(`<${what} name=[${name}] path="${path}">`),
  shown,
  inputText(`</${what}>`)
]

const localImage = (index: number, path: string, detail: string | null | undefined) => {
  const bytes = read("image", path)
  if (typeof bytes === "string") return [inputText(bytes)]
  const type = typeOf(bytes)
  const shown = type === undefined
    ? unreadable
    : image({ image_url: `data:${type};base64,${bytes.toString("base64")}` }, detail)
  return tagged("image", `Image #${index}`, path, shown)
}

const localAudio = (index: number, path: string) => {
  const bytes = read("audio", path)
  if (typeof bytes === "string") return [inputText(bytes)]
  return /\.(?:wav|mp3|m4a|webm|ogg)$/i.test(path)
    ? tagged("audio", `Audio #${index}`, path, unheard)
    : [inputText(`Codex cannot attach audio at \`${path}\`: unsupported audio format; use ${audioFormats}.`)]
}

const isImage = ({ type }: Received.UserInput): boolean => type === "image" || type === "localImage"

/** The parts of a message to the model. A mention of an app or a skill adds nothing, because none is installed. */
export const modelContent = (input: ReadonlyArray<Received.UserInput>): ReadonlyArray<Schema.JsonObject> => {
  let images = 0
  let sounds = 0
  return input.flatMap((part) => {
    if (isImage(part)) images++
    switch (part.type) {
      case "text":
        return [inputText(part.text)]
      case "image":
        return [image("url" in part ? { image_url: part.url } : { file_id: part.fileId }, part.detail)]
      case "localImage":
        return localImage(images, part.path, part.detail)
      case "audio":
        return [audio("url" in part ? part.url : "")]
      case "localAudio":
        return localAudio(++sounds, part.path)
      default:
        return []
    }
  })
}

export const check = (input: ReadonlyArray<Sent.UserInput>): Refused.Refused | undefined => {
  let actual = 0
  for (const item of input) {
    if (item.type === "text") actual += [...item.text].length
    if (item.type === "image" && "url" in item && /^https?:/.test(item.url)) {
      return Refused.invalidRequest(remoteImage)
    }
  }
  return Refused.tooLong(actual)
}
