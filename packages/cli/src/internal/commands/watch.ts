import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { turnFlags } from "./runFlags.ts"

export const watch = Command.make(
  "watch",
  {
    connect: Flag.String("connect").pipe(
      Flag.withMetavar("address"),
      Flag.withDescription(
        "The app-server: ws://HOST:PORT, wss://…, unix:PATH, or unix: for codex's own socket. CODEX_TOKEN has the token " +
          "of a WebSocket. Default: unix:."
      ),
      Flag.withDefault("unix:")
    ),
    port: Flag.Int("port").pipe(
      Flag.withAlias("p"),
      Flag.withDescription("The port of 127.0.0.1 for the page. Default: a free one."),
      Flag.optional
    ),
    open: Flag.Boolean("open").pipe(
      Flag.withDescription("Open the page in the browser."),
      Flag.withDefault(false)
    ),
    prices: turnFlags.prices
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../watch.ts")), ({ watch }) => watch(options))
).pipe(
  Command.withDescription(
    "Serve a live page of the threads of a running app-server on this machine: what each does, waits for and costs, with " +
      "buttons that decide approvals. Prints its address, which has a token, to stdout. It ends with Ctrl-C; the " +
      "app-server and its turns go on."
  ),
  Command.withShortDescription("A live page of the threads of an app-server"),
  Command.withExamples([
    { command: "effect-codex watch", description: "Watch `codex app-server --listen unix://`" },
    { command: "effect-codex watch --connect ws://127.0.0.1:4500 --open", description: "Watch one that listens on TCP" }
  ])
)
