/** Runs one prompt as one turn. The answer goes to stdout, everything else to stderr. */
import * as ApprovalMode from "@effect-codex/client/ApprovalMode"
import { InvalidArgument, TurnInterrupted } from "@effect-codex/client/CodexError"
import * as Sandbox from "@effect-codex/client/Sandbox"
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Answer } from "./answer.ts"
import * as Ask from "./ask.ts"
import { now } from "./monotonic.ts"
import * as Progress from "./progress.ts"
import * as Prompt from "./prompt.ts"
import { Screen } from "./screen.ts"
import * as Session from "./session.ts"

export interface Options {
  readonly prompt: Option.Option<string>
  readonly model: Option.Option<string>
  readonly sandbox: Option.Option<"read-only" | "workspace-write" | "full-access">
  readonly approve: "none" | "auto" | "ask"
  readonly cwd: Option.Option<string>
  readonly json: boolean
  readonly offline: boolean
}

export const run = (options: Options) => runWith(Session.open(options), options)

export const runWith = Effect.fnUntraced(function*<E, R>(open: Effect.Effect<Session.Session, E, R>, options: Options) {
  const screen = yield* Screen
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  if (options.approve === "ask" && Option.contains(options.prompt, "-")) {
    return yield* new InvalidArgument({
      argument: "--approve",
      detail: "ask reads your answers from stdin, so the prompt cannot come from there. Give it as an argument."
    })
  }
  if (options.approve === "ask" && !canPrompt) {
    return yield* new InvalidArgument({
      argument: "--approve",
      detail: "ask needs a terminal: stdin and stdout must be one, and TERM must not be dumb."
    })
  }
  const cwd = yield* folderOf(options.cwd)
  const prompt = yield* Prompt.read(options.prompt)

  let progress = Progress.initial(yield* now)
  if (screen.isLive) {
    yield* now.pipe(
      Effect.flatMap((time) => screen.status((columns) => Progress.statusLine(progress, time, columns))),
      Effect.repeat(Schedule.spaced("100 millis")),
      Effect.ensuring(screen.status(undefined)),
      Effect.forkScoped
    )
  }

  const session = yield* open
  if (session.notice !== undefined) yield* screen.line(session.notice)

  const asking = options.approve === "ask" ? yield* Ask.make : undefined
  const thread = yield* session.codex.startThread({
    approvalMode: approvalModes[options.approve],
    cwd,
    handlers: asking?.handlers,
    model: Option.getOrUndefined(options.model),
    sandbox: Option.match(options.sandbox, {
      onNone: () => session.isOffline ? Sandbox.readOnly : undefined,
      onSome: (name) => sandboxes[name]
    })
  })
  const turn = yield* thread.turn(prompt)

  const answer = new Answer()
  let told = ""
  const show = Effect.fnUntraced(function*(event: TurnEvent) {
    const [next, lines] = Progress.step(progress, event)
    progress = next
    // The client itself logs these as warnings, once.
    const isTold = event._tag === "error" || event._tag === "model/rerouted"
    if (!isTold) yield* Effect.forEach(lines, screen.line, { discard: true })
    const activity = Progress.activity(progress)
    // Without a replaceable status line, print only what begins.
    if (!screen.isLive && activity !== told && (event._tag === "turn/started" || event._tag === "item/started")) {
      told = activity
      yield* screen.line(activity)
    }
    yield* screen.answer(options.json ? jsonLine(event) : answer.push(event))
  })
  const shown = Stream.runForEach(turn.events, show)
  yield* (asking === undefined ? shown : Effect.raceFirst(shown, asking.ask)).pipe(
    Effect.onInterrupt(() => {
      progress = { ...progress, idle: "interrupting", running: [] }
      return screen.line("Interrupting the turn.")
    })
  )
  if (!options.json) yield* screen.answer(answer.end())

  const result = yield* turn.result
  if (result.status === "interrupted") {
    if (asking?.isCancelled() === true) return yield* Effect.interrupt
    return yield* new TurnInterrupted({ threadId: turn.threadId, turnId: turn.id, result })
  }
  const usage = Option.getOrUndefined(result.usage)
  const model = Option.getOrUndefined(result.model)
  yield* screen.line(Progress.summaryLine(progress, yield* now, usage, model))
}, Effect.scoped)

export const approvalModes = { none: ApprovalMode.denyAll, auto: ApprovalMode.autoReview, ask: ApprovalMode.ask }

export const sandboxes = {
  "read-only": Sandbox.readOnly,
  "workspace-write": Sandbox.workspaceWrite,
  "full-access": Sandbox.fullAccess
}

export const folderOf = Effect.fnUntraced(function*(option: Option.Option<string>) {
  if (Option.isNone(option)) return process.cwd()
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(option.value))
  if (Option.isSome(info) && info.value.type === "Directory") return option.value
  const problem = Option.isSome(info) ? "is not a folder" : "does not exist or cannot be read"
  return yield* new InvalidArgument({ argument: "--cwd", detail: `${option.value} ${problem}.` })
})

// With the protocol's names, including events that this library does not know.
export const jsonLine = (event: TurnEvent): string =>
  `${JSON.stringify({ method: "method" in event ? event.method : event._tag, params: event.params })}\n`
