/** Converts the input of a turn to the protocol's list of items. Rejects items that codex would silently ignore. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { InvalidArgument } from "../../CodexError.ts"
import type { Input, InputItem } from "../../Input.ts"
import { text } from "../../Input.ts"
import type { ServerFiles } from "../../ServerFiles.ts"
import * as Media from "../protocol/media.ts"

export type ToWire = (input: Input) => Effect.Effect<Array<InputItem>, InvalidArgument>

const accepted = "a string, an item made by the constructors of Input, or an array of these"

const isList = (input: Input): input is ReadonlyArray<string | InputItem> => Array.isArray(input)

const nothingWrong: Effect.Effect<string | undefined> = Effect.succeed(undefined)

// A skill or a mention may name something other than a file, such as app://id.
const isPath = (path: string): boolean => !/^[a-z][a-z\d+.-]+:/i.test(path)

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, Media.headLength))

const fileProblem = (
  files: ServerFiles,
  path: string,
  what: string,
  ofFile: (head: Uint8Array, path: string) => string | undefined
): Effect.Effect<string | undefined> =>
  Effect.map(files.look(path), (found) => {
    switch (found._tag) {
      case "File":
        return ofFile(found.head, found.path)
      case "Folder":
        return `${found.path} is a folder, and ${what} must be a file.`
      case "Missing":
        return found.path === path
          ? `${path} does not exist.`
          : `${found.path} does not exist. codex looks for ${path} in its own working directory: give an absolute path.`
      case "Unreadable":
        return `${found.path} cannot be read: ${found.detail}`
    }
  })

const instead = {
  image: "Give the bytes as a data URL (data:image/png;base64,...), or a file with Input.localImage.",
  audio: "Give the bytes as a data URL (data:audio/wav;base64,...), or a file with Input.localAudio."
}

const urlProblem = (kind: Media.Kind, url: string): string | undefined => {
  const problem = Media.problemOf(kind, url)
  return problem === undefined ? undefined : `${problem} ${instead[kind]}`
}

/** What is wrong with an item, as far as the client can tell. */
const problemOf = (item: InputItem, files: ServerFiles | undefined): Effect.Effect<string | undefined> => {
  switch (item.type) {
    case "image":
    case "audio":
      return Effect.succeed("url" in item ? urlProblem(item.type, item.url) : undefined)
    case "localImage":
      return files === undefined ? nothingWrong : fileProblem(
        files,
        item.path,
        "an image",
        (head, path) =>
          head.length === 0
            ? `${path} is empty.`
            : Media.isImage(latin1(head))
            ? undefined
            : `${path} is not an image that codex accepts: ${Media.imageTypes}.`
      )
    case "localAudio":
      if (!Media.isAudioFile(item.path)) {
        return Effect.succeed(`codex accepts ${Media.audioTypes}, judged by the file's name.`)
      }
      return files === undefined ? nothingWrong : fileProblem(
        files,
        item.path,
        "sound",
        (head, path) => head.length === 0 ? `${path} is empty.` : undefined
      )
    case "skill":
      return files === undefined || !isPath(item.path)
        ? nothingWrong
        : fileProblem(files, item.path, "a skill", () => undefined)
    case "mention":
      // codex itself understands only apps and plugins. The model may still understand a path that is not
      // absolute.
      return files === undefined || !item.path.startsWith("/")
        ? nothingWrong
        : Effect.map(
          files.look(item.path),
          (found) => found._tag === "Missing" ? `${found.path} does not exist.` : undefined
        )
    default:
      return nothingWrong
  }
}

/** @param files the server's files, if the client can look at them. */
export const make = (files: ServerFiles | undefined): ToWire => (input) =>
  Effect.forEach(isList(input) ? input : [input], (given, index) => {
    const invalid = (detail: string) =>
      Effect.fail(new InvalidArgument({ argument: isList(input) ? `input[${index}]` : "input", detail }))
    const item = typeof given === "string" ? text(given) : given
    if (!Predicate.hasProperty(item, "type")) return invalid(`expected ${accepted}.`)
    if ("path" in item && !Predicate.isString(item.path)) return invalid("expected the path of a file.")
    if ("url" in item && !Predicate.isString(item.url)) return invalid("expected a data URL.")
    return Effect.flatMap(
      problemOf(item, files),
      (problem) => problem === undefined ? Effect.succeed(item) : invalid(problem)
    )
  })
