/** What a person sends: a command with a slash, or a message that may name images. Pure. */

export const commands = {
  help: "what you can do here",
  status: "model, tokens, cost, context left",
  plan: "plan mode on or off; with a text: ask for a plan",
  implement: "carry out the last plan",
  compact: "shorten the history that the model sees",
  fork: "go on in a copy of the thread",
  name: "name the thread",
  report: "write the thread as an HTML file",
  image: "add an image to your next message",
  quit: "leave"
} as const

export type CommandName = keyof typeof commands

export type Parsed =
  | { readonly _tag: "Message"; readonly text: string }
  | { readonly _tag: "Command"; readonly name: CommandName; readonly argument: string }
  | { readonly _tag: "UnknownCommand"; readonly name: string }
  | { readonly _tag: "Empty" }

const isCommand = (name: string): name is CommandName => Object.hasOwn(commands, name)

/** A path such as `/usr/bin` is no command, and two slashes begin a message with one. */
export const parse = (text: string): Parsed => {
  const trimmed = text.trim()
  if (trimmed === "") return { _tag: "Empty" }
  if (trimmed.startsWith("//")) return { _tag: "Message", text: trimmed.slice(1) }
  const [, word, argument = ""] = /^\/([a-z]+)(?:\s+([^]*))?$/.exec(trimmed) ?? []
  if (word === undefined) return { _tag: "Message", text: text.trimEnd() }
  const name = word === "exit" ? "quit" : word
  return isCommand(name) ? { _tag: "Command", name, argument } : { _tag: "UnknownCommand", name: word }
}

/** Images that a message names: `@picture.png`, or `@"a picture.png"`. */
export const imagesIn = (text: string): ReadonlyArray<string> => {
  const found = text.matchAll(/(?<![^\s(])@(?:"([^"\n]+)"|(\S+))/g)
  const paths = Array.from(found, ([, quoted, plain]) => quoted ?? (plain ?? "").replace(/[.,;:!?)]+$/, ""))
  return [...new Set(paths.filter((path) => /\.(?:png|jpe?g|gif|webp)$/i.test(path)))]
}

/** A path as a person gives it to `/image`. */
export const unquoted = (path: string): string => /^(["'])(.*)\1$/s.exec(path.trim())?.[2] ?? path.trim()
