/** What the user gives, as the model is told of it by codex 0.169.0. */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import type * as Schema from "effect/Schema"
import * as Fs from "node:fs"

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

const inputText = (text: string): Schema.JsonObject => ({ type: "input_text", text })

const unreadable = inputText("image content omitted because it could not be processed")

const image = (
  image: { readonly image_url: string } | { readonly file_id: string },
  detail: string | null | undefined
) =>
  detail === "low"
    ? inputText("image content omitted because detail 'low' is not supported; use 'high', 'original', or 'auto'")
    // It is `original` for models alone that can have it.
    : { type: "input_image", ...image, detail: detail === "auto" ? detail : "high" }

const beginnings: ReadonlyArray<readonly [mime: string, bytes: string]> = [
  ["image/png", "89504e470d0a1a0a"],
  ["image/jpeg", "ffd8ff"]
]

/** The file as a data URL. Codex makes large images smaller, which is not done here. */
const localImage = (path: string, detail: string | null | undefined): ReadonlyArray<Schema.JsonObject> | undefined => {
  try {
    const bytes = Fs.readFileSync(path)
    const start = bytes.subarray(0, 8).toString("hex")
    const mime = beginnings.find(([, beginning]) => start.startsWith(beginning))?.[0]
    return [
      mime === undefined ? unreadable : image({ image_url: `data:${mime};base64,${bytes.toString("base64")}` }, detail)
    ]
  } catch {
    return undefined
  }
}

const isImage = ({ type }: Received.UserInput): boolean => type === "image" || type === "localImage"

/** The parts of a message to the model. What stands for an app or a skill that is not installed is nothing. */
export const modelContent = (input: ReadonlyArray<Received.UserInput>): ReadonlyArray<Schema.JsonObject> => {
  let images = 0
  return input.flatMap((part) => {
    if (isImage(part)) images++
    switch (part.type) {
      case "text":
        return [inputText(part.text)]
      case "image":
        return [image("url" in part ? { image_url: part.url } : { file_id: part.fileId }, part.detail)]
      case "localImage": {
        const shown = localImage(part.path, part.detail)
        return shown === undefined
          ? [
            inputText(
              `Codex could not read the local image at \`${part.path}\`: No such file or directory (os error 2)`
            )
          ]
          : [inputText(`<image name=[Image #${images}] path="${part.path}">`), ...shown, inputText("</image>")]
      }
      case "audio":
        return [inputText("audio content omitted because you do not support audio input")]
      default:
        return []
    }
  })
}
