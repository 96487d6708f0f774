import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { prompt, turnFlags } from "./runFlags.ts"

const handlers = Effect.promise(() => import("../threads.ts"))

const id = Argument.String("id").pipe(
  Argument.withDescription("The id of the thread. Its beginning is enough if it is unique.")
)

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print a line of JSON for each thread, with the names of the app-server protocol."),
  Flag.withDefault(false)
)

const archived = Flag.Boolean("archived").pipe(
  Flag.withDescription("The archived threads instead of the others."),
  Flag.withDefault(false)
)

const limit = Flag.Int("limit").pipe(
  Flag.withAlias("n"),
  Flag.withMetavar("count"),
  Flag.withDescription("At most this many threads. Default: 20."),
  Flag.withDefault(20)
)

const list = Command.make(
  "list",
  {
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("The threads of all folders. Default: those of the current one."),
      Flag.withDefault(false)
    ),
    archived,
    limit,
    json
  },
  (options) => Effect.flatMap(handlers, ({ list }) => list(options))
).pipe(
  Command.withDescription("List the threads of the current folder, the last used first."),
  Command.withShortDescription("List threads, the last used first"),
  Command.withExamples([
    { command: "effect-codex threads list", description: "Those of this folder" },
    {
      command: "effect-codex threads list --all --json | jq -r .id",
      description: "The ids of the latest of all folders"
    }
  ])
)

const search = Command.make(
  "search",
  {
    text: Argument.String("text").pipe(Argument.withDescription("The words to find in what was said.")),
    archived,
    limit,
    json
  },
  (options) => Effect.flatMap(handlers, ({ search }) => search(options))
).pipe(
  Command.withDescription("Find threads of all folders by what was said in them, with the text around it."),
  Command.withShortDescription("Find threads by what was said in them")
)

const show = Command.make(
  "show",
  {
    id,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription(
        "Print the thread with its turns as a line of JSON, with the names of the app-server protocol."
      ),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(handlers, ({ show }) => show(options))
).pipe(
  Command.withDescription("Show what was said and done in a thread. Does not change it, also while it is in use."),
  Command.withShortDescription("Show what was said and done in a thread")
)

const fork = Command.make(
  "fork",
  { id, prompt, ...turnFlags },
  (options) => Effect.flatMap(handlers, ({ fork }) => fork(options))
).pipe(
  Command.withDescription(
    "Copy a thread, and run a prompt in the copy as `run` does. Without a prompt it prints the id of the copy to stdout. " +
      "The copy takes model and effort from your Codex configuration."
  ),
  Command.withShortDescription("Copy a thread, and go on in the copy"),
  Command.withExamples([
    { command: `effect-codex threads fork 01a228cb "Try it without the cache."`, description: "Another way from here" }
  ])
)

const archive = Command.make(
  "archive",
  { id },
  (options) => Effect.flatMap(handlers, ({ archive }) => archive(options))
).pipe(
  Command.withDescription("Hide a thread from the lists. A turn that runs in it is interrupted."),
  Command.withShortDescription("Hide a thread from the lists")
)

const unarchive = Command.make(
  "unarchive",
  { id },
  (options) => Effect.flatMap(handlers, ({ unarchive }) => unarchive(options))
).pipe(Command.withDescription("Bring an archived thread back"))

export const threads = Command.make("threads").pipe(
  Command.withDescription(
    "List, find, show, copy and archive threads. They are those of your codex, whichever program began them."
  ),
  Command.withShortDescription("List, find, show, copy and archive threads"),
  Command.withSubcommands([list, search, show, fork, archive, unarchive])
)
