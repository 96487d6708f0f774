/** What the compiler has to refuse, and what the signatures have to say. Checked by `npm run check`; nothing here runs. */
import type { AppServerRpc, Codex, CodexError, Thread, Turn, TurnResult } from "@effect-codex/client"
import { Input, Sandbox } from "@effect-codex/client"
import { type DateTime, type Effect, Schema, type Scope, type Stream } from "effect"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const holds = <_ extends true>(): void => {}

declare const codex: Codex.Codex["Service"]
declare const thread: Thread.Thread
declare const turn: Turn.Turn

// @ts-expect-error a raw string is no sandbox
void thread.run("go", { sandbox: "read-only" })
// @ts-expect-error a raw string is no approval mode
void codex.startThread({ approvalMode: "never" })
// @ts-expect-error a misspelt option
void thread.run("go", { modle: "another-model" })
// @ts-expect-error a number is no input
void thread.run(3)
// @ts-expect-error a turn needs a scope
const unscoped: Effect.Effect<Turn.Turn, unknown> = thread.turn("go")
void unscoped
// @ts-expect-error a sandbox cannot be made by hand
const homemade: Sandbox.Sandbox = { mode: "read-only" }
void homemade

void thread.run(["two", Input.text("pieces")], { sandbox: Sandbox.workspaceWriteWith({ networkAccess: true }) })

type ErrorOf<T> = T extends Effect.Effect<infer _A, infer E, infer _R> ? E : never

type RunError =
  | CodexError.TurnStartError
  | CodexError.TurnEndError
  | CodexError.TurnInterrupted

const plain = thread.run("go")
holds<Equal<Effect.Success<typeof plain>, TurnResult.TurnResult>>()
holds<Equal<Effect.Success<typeof plain>["output"], undefined>>()
holds<Equal<ErrorOf<typeof plain>, RunError>>()

const typed = thread.run("go", { output: Schema.Struct({ at: Schema.optionalKey(Schema.DateTimeUtc) }), repair: 1 })
holds<Equal<Effect.Success<typeof typed>["output"], { readonly at?: DateTime.Utc }>>()
holds<Equal<ErrorOf<typeof typed>, RunError | CodexError.OutputInvalid>>()

holds<
  Equal<
    ErrorOf<Turn.Turn["result"]>,
    CodexError.TurnEndError | CodexError.ThreadBusy | CodexError.SettingsNotApplied | CodexError.ConnectionError
  >
>()
holds<
  Equal<
    ErrorOf<ReturnType<Codex.Codex["Service"]["startThread"]>>,
    CodexError.CallError | CodexError.SettingsNotApplied
  >
>()
holds<
  Equal<
    ReturnType<Thread.Thread["turn"]>,
    Effect.Effect<Turn.Turn, CodexError.TurnStartError, Scope.Scope>
  >
>()
holds<Equal<Turn.Turn["text"], Stream.Stream<string, CodexError.ConnectionError | CodexError.EventsOverflow>>>()

// What a user needs and a mock writes. What the parts of the client tell each other is not part of the type.
holds<
  Equal<
    keyof AppServerRpc.AppServerRpc["Service"],
    | "serverInfo"
    | "restarts"
    | "connected"
    | "request"
    | "requestRaw"
    | "notify"
    | "notifications"
    | "handle"
    | "diagnostics"
    | "diagnosticEvents"
    | "ended"
  >
>()

// Every member of the item union is reached by its type, with its own fields and without a cast.
export const commandsOf = (result: Effect.Success<Turn.Turn["result"]>) =>
  result.items.flatMap((item) => {
    switch (item.type) {
      case "commandExecution":
        return [item.command satisfies string]
      case "agentMessage":
        return [item.text satisfies string]
      default:
        return []
    }
  })
void turn
