import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { prices } from "./runFlags.ts"

export const report = Command.make(
  "report",
  {
    source: Argument.String("source").pipe(
      Argument.withDescription(
        "The id of a thread (its beginning is enough if it is unique), a cassette of `effect-codex record`, or the " +
          "file in which codex keeps a thread."
      ),
      Argument.optional
    ),
    last: Flag.Boolean("last").pipe(
      Flag.withDescription("The latest thread of this folder."),
      Flag.withDefault(false)
    ),
    output: Flag.String("output").pipe(
      Flag.withAlias("o"),
      Flag.withMetavar("file"),
      Flag.withDescription("The file to write; `-` is stdout. Default: one in this folder, named after the thread."),
      Flag.optional
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Replace the file if it exists."),
      Flag.withDefault(false)
    ),
    title: Flag.String("title").pipe(
      Flag.withMetavar("text"),
      Flag.withDescription("The title of the page. Default: the name of the thread, else its first message."),
      Flag.optional
    ),
    prices,
    open: Flag.Boolean("open").pipe(
      Flag.withDescription("Open the page with the program of your desktop."),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../report.ts")), ({ report }) => report(options))
).pipe(
  Command.withDescription(
    "Write a thread as one HTML file: conversation, commands, diffs, subagents, where the time went, tokens and cost. " +
      "The file contains what the thread contains, and so also a secret that a command has printed. Prints its name."
  ),
  Command.withShortDescription("Write a thread as one HTML file"),
  Command.withExamples([
    { command: "effect-codex report --last --open", description: "Look at the latest thread of this folder" },
    {
      command: "effect-codex report 01a228cb --output session.html",
      description: "A thread by the beginning of its id"
    },
    { command: "effect-codex report session.jsonl", description: "A recorded session" }
  ])
)
