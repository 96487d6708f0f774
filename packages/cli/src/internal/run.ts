/** Runs one prompt as one turn. The answer goes to stdout, everything else to stderr. */
import * as ApprovalMode from "@effect-codex/client/ApprovalMode"
import * as Budget from "@effect-codex/client/Budget"
import type { Codex, ThreadSettings } from "@effect-codex/client/Codex"
import { InvalidArgument, TurnInterrupted } from "@effect-codex/client/CodexError"
import type { Input } from "@effect-codex/client/Input"
import * as InputItem from "@effect-codex/client/Input"
import * as Pricing from "@effect-codex/client/Pricing"
import * as Sandbox from "@effect-codex/client/Sandbox"
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { Effort, Thread } from "@effect-codex/client/Thread"
import * as Cause from "effect/Cause"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { resolve } from "node:path"
import { Answer } from "./answer.ts"
import * as Ask from "./ask.ts"
import { type Line, line, span } from "./lines.ts"
import { Markdown } from "./markdown.ts"
import { now } from "./monotonic.ts"
import * as Progress from "./progress.ts"
import * as Prompt from "./prompt.ts"
import * as RunOptions from "./runOptions.ts"
import { quiet, Screen, StdoutClosed } from "./screen.ts"
import * as Session from "./session.ts"
import * as StructuredAnswer from "./structuredAnswer.ts"
import * as ThreadIds from "./threadIds.ts"

/** What a turn takes, whichever thread it continues. */
export interface TurnOptions {
  readonly model: Option.Option<string>
  readonly effort: Option.Option<string>
  readonly sandbox: Option.Option<"read-only" | "workspace-write" | "full-access">
  readonly approve: "none" | "auto" | "ask"
  readonly mode: Option.Option<"default" | "plan">
  readonly image: ReadonlyArray<string>
  readonly outputSchema: Option.Option<string>
  readonly budget: Option.Option<string>
  readonly prices: Option.Option<string>
  readonly timeout: Option.Option<string>
  readonly config: ReadonlyArray<string>
  readonly cwd: Option.Option<string>
  readonly json: boolean
  readonly quiet: boolean
  readonly offline: boolean
}

export interface Options extends TurnOptions {
  readonly prompt: Option.Option<string>
  readonly resume: Option.Option<string>
  readonly last: boolean
}

export const run = (options: Options) => runWith(Session.open(options), options)

export const runWith = <E, R>(open: Effect.Effect<Session.Session, E, R>, options: Options) =>
  runOn(open, options, options.prompt, sourceOf(options))

// =============================================================================
// The thread
// =============================================================================

/** Where the thread of the turn comes from. */
export type Source =
  | { readonly _tag: "New" }
  | { readonly _tag: "Resume"; readonly id: string }
  | { readonly _tag: "Last" }
  | { readonly _tag: "Fork"; readonly id: string }

export const sourceOf = (options: Pick<Options, "resume" | "last">): Effect.Effect<Source, InvalidArgument> => {
  if (Option.isNone(options.resume)) return Effect.succeed(options.last ? { _tag: "Last" } : { _tag: "New" })
  if (options.last) return Effect.fail(invalid("--last", "it cannot be combined with --resume, which names a thread."))
  return Effect.succeed({ _tag: "Resume", id: options.resume.value })
}

export const optionOf = { New: "", Resume: "--resume", Last: "--last", Fork: "id" } as const

export const threadOf = Effect.fnUntraced(function*(
  codex: Codex["Service"],
  source: Source,
  cwd: string,
  isChosen: boolean,
  settings: ThreadSettings
) {
  // An older thread keeps its folder, unless the user names another one.
  const kept = isChosen ? { ...settings, cwd } : settings
  switch (source._tag) {
    case "New":
      return yield* codex.startThread({ ...settings, cwd })
    case "Resume":
      return yield* codex.resumeThread(yield* ThreadIds.resolve(codex, "--resume", source.id), kept)
    case "Fork":
      return yield* codex.forkThread(yield* ThreadIds.resolve(codex, "id", source.id), kept)
    case "Last": {
      const last = yield* ThreadIds.last(codex, cwd)
      if (Option.isSome(last)) return yield* codex.resumeThread(last.value.id, kept)
      return yield* invalid("--last", `there is no thread of the folder ${cwd} yet. Begin one without --last.`)
    }
  }
})

// =============================================================================
// The turn
// =============================================================================

/** The time of `--timeout` is over. The exit code is that of the program `timeout`. */
export class TimedOut extends Data.TaggedError("TimedOut")<{ readonly limit: string }> {
  override readonly [Runtime.errorExitCode] = 124
  override get message(): string {
    return `The run took longer than --timeout ${this.limit}, and was interrupted.`
  }
}

export const runOn = Effect.fnUntraced(function*<E, R>(
  open: Effect.Effect<Session.Session, E, R>,
  options: TurnOptions,
  argument: Option.Option<string>,
  whence: Effect.Effect<Source, InvalidArgument>
) {
  const screen = options.quiet ? quiet(yield* Screen) : yield* Screen
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  if (options.approve === "ask" && Option.contains(argument, "-")) {
    return yield* invalid(
      "--approve",
      "ask reads your answers from stdin, so the prompt cannot come from there. Give it as an argument."
    )
  }
  if (options.approve === "ask" && !canPrompt) {
    return yield* invalid("--approve", "ask needs a terminal: stdin and stdout must be one, and TERM must not be dumb.")
  }
  const source = yield* whence
  if (options.offline && source._tag !== "New") {
    return yield* invalid(optionOf[source._tag], "the offline model has a home of its own, without your threads.")
  }
  const isPlan = Option.contains(options.mode, "plan")
  if (isPlan && Option.isSome(options.outputSchema)) {
    return yield* invalid("--output-schema", "it cannot be combined with --mode plan, whose answer is a plan.")
  }
  // Absolute, because codex would resolve it in a folder of its own.
  const cwd = resolve(yield* folderOf(options.cwd))
  const limit = yield* each(options.timeout, (text) => RunOptions.durationOf("--timeout", text))
  const limits = yield* each(options.budget, RunOptions.limitsOf)
  const prices = yield* RunOptions.pricesOf(options.prices)
  if (limits?.cost !== undefined && Option.isNone(prices)) {
    return yield* invalid(
      "--budget",
      "a limit in dollars needs prices. Name them with --prices or EFFECT_CODEX_PRICES."
    )
  }
  const outputSchema = yield* each(options.outputSchema, RunOptions.outputSchemaOf)
  const images = yield* RunOptions.imagesOf(options.image)
  yield* RunOptions.overridesOf(options.config)
  const prompt = yield* Prompt.read(argument)
  const input: Input = images.length === 0 ? prompt : [prompt, ...images.map(InputItem.localImage)]
  // Without limits too: it also counts what is spent.
  const budget = yield* Budget.make(limits ?? {})

  const turn = Effect.gen(function*() {
    let progress = Progress.initial(yield* now, cwd)
    let cost: number | undefined
    if (screen.isLive) {
      yield* now.pipe(
        Effect.flatMap((time) => screen.status((columns) => Progress.statusLine(progress, time, columns, cost))),
        Effect.repeat(Schedule.spaced("100 millis")),
        Effect.ensuring(screen.status(undefined)),
        Effect.forkScoped
      )
    }

    const session = yield* open
    if (session.isOffline && source._tag !== "New") {
      return yield* invalid(
        optionOf[source._tag],
        "nobody is logged in, and the offline model has none of your threads."
      )
    }
    if (session.notice !== undefined) yield* screen.line(session.notice)
    const effort = yield* each(options.effort, (name) => effortOf(session.codex, name))

    const asking = options.approve === "ask" ? yield* Ask.make : undefined
    const thread = yield* threadOf(session.codex, source, cwd, source._tag === "New" || Option.isSome(options.cwd), {
      approvalMode: approvalModes[options.approve],
      handlers: asking?.handlers,
      model: Option.getOrUndefined(options.model),
      sandbox: Option.match(options.sandbox, {
        onNone: () => session.isOffline ? Sandbox.readOnly : undefined,
        onSome: (name) => sandboxes[name]
      })
    })
    const turn = yield* thread.turn(input, { budget, effort, mode: Option.getOrUndefined(options.mode), outputSchema })
      .pipe(Effect.mapError(named))
    // The home of the offline model is removed, and its threads with it.
    if (!session.isOffline) {
      yield* Effect.addFinalizer((exit) =>
        isSilent(exit) ? Effect.void : screen.line(continuation(thread, isPlan, exit))
      )
    }

    const answer = new Answer()
    const markdown = screen.rich === undefined ? undefined : new Markdown(screen.rich.columns)
    const write = (text: string) =>
      markdown === undefined ? screen.answer(text) : screen.answerLines(markdown.push(text))
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
        yield* screen.line(line(span(activity, "dim")))
      }
      if (event._tag === "thread/tokenUsage/updated") cost = Option.getOrUndefined((yield* budget.spent).cost)
      if (options.json) yield* screen.answer(jsonLine(event))
      else if (outputSchema === undefined) yield* write(answer.push(event))
    })
    const shown = Stream.runForEach(turn.events, show)
    yield* (asking === undefined ? shown : Effect.raceFirst(shown, asking.ask)).pipe(
      Effect.onInterrupt(() => {
        progress = { ...progress, idle: "interrupting", running: [] }
        return screen.line("Interrupting the turn.")
      })
    )
    if (!options.json) yield* write(answer.end())
    if (markdown !== undefined) yield* screen.answerLines(markdown.end())

    const result = yield* Effect.mapError(turn.result, named)
    if (result.status === "interrupted") {
      if (asking?.isCancelled() === true) return yield* Effect.interrupt
      return yield* new TurnInterrupted({ threadId: turn.threadId, turnId: turn.id, result })
    }
    if (outputSchema !== undefined && !options.json) {
      yield* screen.answer(`${yield* StructuredAnswer.of(result.finalResponse)}\n`)
    }
    const usage = Option.getOrUndefined(result.usage)
    const model = Option.getOrUndefined(result.model)
    yield* screen.line(Progress.summaryLine(progress, yield* now, usage, model, Option.getOrUndefined(result.cost)))
  }).pipe(Effect.scoped)

  yield* turn.pipe(
    limit === undefined ? (effect) => effect : Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.fail(new TimedOut({ limit: Option.getOrElse(options.timeout, () => "") }))
    }),
    Option.isSome(prices) ? Effect.provideService(Pricing.Pricing, prices.value) : (effect) => effect,
    // What the client warns of is logged.
    options.quiet ? Effect.provideService(References.MinimumLogLevel, "Error") : (effect) => effect,
    Effect.provideService(Screen, screen)
  )
})

export const invalid = (argument: string, detail: string) => new InvalidArgument({ argument, detail })

export const each = <A, B, E, R>(option: Option.Option<A>, f: (value: A) => Effect.Effect<B, E, R>) =>
  Option.match(option, {
    onNone: () => Effect.succeed<B | undefined>(undefined),
    onSome: (value): Effect.Effect<B | undefined, E, R> => f(value)
  })

// Nobody reads any more.
export const isSilent = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof StdoutClosed

/** The line that says how to go on with the thread. */
const continuation = ({ id }: Pick<Thread, "id">, isPlan: boolean, exit: Exit.Exit<unknown, unknown>): Line => {
  const next = isPlan && Exit.isSuccess(exit) ? "Implement the plan." : "…"
  // Not wrapped, so that the command can be copied.
  return { spans: [span(`thread ${id}, go on with: effect-codex run --resume ${id} "${next}"`, "dim")], isRigid: true }
}

const ordinary: ReadonlySet<string> = new Set(["none", "minimal", "low", "medium", "high", "xhigh"])

// Only others are worth a question to the server: codex itself passes every name on to the provider.
export const effortOf = Effect.fnUntraced(function*(codex: Codex["Service"], name: string) {
  const known: Effort = name
  if (ordinary.has(name)) return known
  const models = (yield* codex.models({ includeHidden: true })).filter(ThreadIds.isDecoded)
  const names = new Set(models.flatMap((model) => model.supportedReasoningEfforts.map((one) => one.reasoningEffort)))
  if (names.has(name)) return known
  const all = [...new Set([...ordinary, ...names])].join(", ")
  return yield* invalid("--effort", `no model knows ${JSON.stringify(name)}. Known are ${all}.`)
})

// The client names its own options, and the user of this program knows the program's.
export const named = <E>(error: E): E | InvalidArgument => {
  if (!(error instanceof InvalidArgument)) return error
  const argument = error.argument.startsWith("input[")
    ? "--image"
    : error.argument === "budget"
    ? "--budget"
    : error.argument
  return invalid(argument, error.detail)
}

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
