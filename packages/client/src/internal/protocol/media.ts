/**
 * The images and sounds that codex accepts. docs/codex-behaviour.md, "An image or a sound that cannot be used
 * is told to the model alone" and "An image that is no data URL goes to the model as it is". The latter spoils
 * the thread, because the model refuses each later request as well.
 */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Predicate from "effect/Predicate"

export type Kind = "image" | "audio"

const signatures: ReadonlyArray<RegExp> = [
  // PNG
  /^\u0089PNG\r\n\u001A\n/,
  // JPEG
  /^\u00FF\u00D8\u00FF/,
  // GIF
  /^GIF8[79]a/,
  // WebP
  /^RIFF[^]{4}WEBP/
]

export const imageTypes = "PNG, JPEG, GIF or WebP"
export const audioTypes = "wav, mp3, m4a, webm or ogg"

/** The number of bytes that {@link isImage} looks at. */
export const headLength = 12

/** docs/codex-behaviour.md, "The first bytes of an image decide its type". */
export const isImage = (head: string): boolean => signatures.some((signature) => signature.test(head))

/** codex goes by the file name's extension alone. */
export const isAudioFile = (path: string): boolean => /\.(?:wav|mp3|m4a|webm|ogg)$/i.test(path)

// codex rejects other types, such as FLAC.
const isAudioType = (mediaType: string): boolean =>
  /^audio\/(?:x-|vnd\.)?(?:wave?|mp3|mpeg|mp4|m4a|webm|ogg)$/i.test(mediaType)

/** What is wrong with the URL of an image or a sound. */
export const problemOf = (kind: Kind, url: string): string | undefined => {
  if (url === "") return "the URL is empty."
  if (/^https?:/i.test(url)) return "it is a web address, which codex does not fetch."
  const header = /^data:([^,]{0,200}),/i.exec(url)
  if (header === null) return "it is not a data URL."
  const [mediaType = "", ...parameters] = header[1]!.split(";")
  if (parameters.at(-1)?.toLowerCase() !== "base64") return "its data URL is not encoded as base64."
  const data = url.slice(header[0].length)
  if (data === "") return "its data URL has no data."
  const digits = data.slice(0, data.endsWith("==") ? -2 : data.endsWith("=") ? -1 : data.length)
  if (!/^[A-Za-z\d+/]+$/.test(digits) || digits.length % 4 === 1) {
    return "the data of its data URL is not base64 with + and / and without line breaks."
  }
  if (kind === "audio") {
    return isAudioType(mediaType)
      ? undefined
      : `its data URL is declared as ${mediaType === "" ? "nothing" : mediaType}, and codex accepts ${audioTypes}.`
  }
  return isImage(atob(digits.slice(0, headLength / 3 * 4)))
    ? undefined
    : `its data is not ${imageTypes}.`
}

const contentProblem = (item: Sent.DynamicToolCallOutputContentItem): string | undefined => {
  if (item.type === "inputImage") return problemOf("image", item.imageUrl)
  return item.type === "inputAudio" ? problemOf("audio", item.audioUrl) : undefined
}

/**
 * A tool's answer in which text replaces each image or sound that would spoil the thread. The text tells the
 * model about it.
 *
 * @param onWrong called with what was wrong.
 */
export const toolAnswer = (
  answer: Sent.DynamicToolCallResponse,
  onWrong: (problem: string) => void
): Sent.DynamicToolCallResponse => {
  if (answer.contentItems.every((item) => contentProblem(item) === undefined)) return answer
  return {
    ...answer,
    contentItems: answer.contentItems.map((item) => {
      const problem = contentProblem(item)
      if (problem === undefined) return item
      onWrong(problem)
      const what = item.type === "inputImage" ? "an image" : "sound"
      return { type: "inputText", text: `The tool answered with ${what} that cannot be used: ${problem}` }
    })
  }
}

/** What is wrong with the images of an item of the Responses API. */
export const injectedProblem = (item: unknown): string | undefined => {
  if (!Predicate.isObject(item)) return undefined
  for (const parts of [Reflect.get(item, "content"), Reflect.get(item, "output")]) {
    for (const part of Array.isArray(parts) ? parts : []) {
      if (!Predicate.hasProperty(part, "image_url") || !Predicate.isString(part.image_url)) continue
      const problem = problemOf("image", part.image_url)
      if (problem !== undefined) return problem
    }
  }
  return undefined
}
