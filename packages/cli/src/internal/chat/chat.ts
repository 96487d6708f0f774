/** A chat at a terminal: the shell around {@link State}. */
import * as Budget from "@effect-codex/client/Budget"
import * as Elicitation from "@effect-codex/client/Elicitation"
import * as Pricing from "@effect-codex/client/Pricing"
import * as Questions from "@effect-codex/client/Questions"
import * as Sandbox from "@effect-codex/client/Sandbox"
import type { Overrides } from "@effect-codex/client/ServerRequests"
import * as Cause from "effect/Cause"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { resolve } from "node:path"
import * as Ask from "../ask.ts"
import { line, span } from "../lines.ts"
import { now } from "../monotonic.ts"
import * as Progress from "../progress.ts"
import * as Run from "../run.ts"
import * as RunOptions from "../runOptions.ts"
import { Screen } from "../screen.ts"
import * as Session from "../session.ts"
import { titleOf } from "../threadLines.ts"
import * as ChatLines from "./chatLines.ts"
import * as Keyboard from "./keyboard.ts"
import { forEachLine } from "./pipedLines.ts"
import * as Person from "./questions.ts"
import * as State from "./state.ts"
import * as Talk from "./talk.ts"

export interface Options extends
  Pick<
    Run.Options,
    | "prompt"
    | "resume"
    | "last"
    | "model"
    | "effort"
    | "sandbox"
    | "mode"
    | "image"
    | "budget"
    | "prices"
    | "config"
    | "cwd"
    | "offline"
  >
{
  readonly approve: Option.Option<"none" | "auto" | "ask">
}

/** In a pipe nobody saw the turns fail. */
export class TurnsFailed extends Data.TaggedError("TurnsFailed")<{ readonly failed: number; readonly turns: number }> {
  override get message(): string {
    return `${this.failed} of ${this.turns} turn${this.turns === 1 ? "" : "s"} failed.`
  }
}

export const chat = (options: Options) => chatWith(Session.open(options), options)

export const chatWith = Effect.fnUntraced(function*<E, R>(
  open: Effect.Effect<Session.Session, E, R>,
  options: Options
) {
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  const { stdinIsTerminal } = yield* Stdio.Stdio
  const kind = canPrompt ? "keys" : (yield* stdinIsTerminal) ? "lines" : "pipe"
  const approve = Option.getOrElse(options.approve, () => canPrompt ? "ask" as const : "none" as const)
  if (approve === "ask" && !canPrompt) {
    return yield* Run.invalid(
      "--approve",
      "ask needs a terminal: stdin and stdout must be one, and TERM must not be dumb."
    )
  }
  const source = yield* Run.sourceOf(options)
  if (options.offline && source._tag !== "New") {
    return yield* Run.invalid(
      Run.optionOf[source._tag],
      "the offline model has a home of its own, without your threads."
    )
  }
  const cwd = resolve(yield* Run.folderOf(options.cwd))
  const limits = yield* Run.each(options.budget, RunOptions.limitsOf)
  const prices = yield* RunOptions.pricesOf(options.prices)
  if (limits?.cost !== undefined && Option.isNone(prices)) {
    return yield* Run.invalid(
      "--budget",
      "a limit in dollars needs prices. Name them with --prices or EFFECT_CODEX_PRICES."
    )
  }
  const images = yield* RunOptions.imagesOf(options.image)
  yield* RunOptions.overridesOf(options.config)
  // Without limits too: it also counts what is spent.
  const budget = yield* Budget.make(limits ?? {})
  const screen = yield* exclusive(yield* Screen)
  const look = screen.rich ?? { colors: false, columns: screen.columns }

  // Unbounded, but of what one person types and of the ends of turns.
  const events = yield* Queue.unbounded<State.Event>()
  const dispatch = (event: State.Event): void => void Queue.offerUnsafe(events, event)
  const ended = yield* Deferred.make<never, Effect.Error<ReturnType<Talk.Talk["send"]>> | E>()
  const outer = yield* Effect.scope
  let state = State.initial({ mode: Option.getOrUndefined(options.mode), images })
  let talk: Talk.Talk | undefined
  let isResumable = false
  const starting = Progress.initial(yield* now, cwd)

  /** Starts codex and the thread, for as long as the chat lasts. */
  const start = Effect.gen(function*() {
    const session = yield* open
    const { codex, isOffline, notice, rpc } = session
    if (isOffline && source._tag !== "New") {
      return yield* Run.invalid(
        Run.optionOf[source._tag],
        "nobody is logged in, and the offline model has none of your threads."
      )
    }
    if (notice !== undefined) yield* screen.line(notice)
    const effort = yield* Run.each(options.effort, (name) => Run.effortOf(codex, name))
    const asking = approve === "ask" ? yield* Ask.make : undefined
    const isChosen = source._tag === "New" || Option.isSome(options.cwd)
    const thread = yield* Run.threadOf(codex, source, cwd, isChosen, {
      approvalMode: Run.approvalModes[approve],
      handlers: canPrompt ? { ...asking?.handlers, ...yield* handlers } : asking?.handlers,
      model: Option.getOrUndefined(options.model),
      sandbox: Option.match(options.sandbox, {
        onNone: () => isOffline ? Sandbox.readOnly : undefined,
        onSome: (name) => Run.sandboxes[name]
      })
    })
    // The home of the offline model is removed, and its threads with it.
    isResumable = !isOffline
    const info = source._tag === "New" ? Option.none() : yield* Effect.option(thread.read())
    const folder = isChosen ? cwd : Option.match(info, { onNone: () => cwd, onSome: ({ cwd }) => cwd })
    talk = yield* Talk.make(thread, {
      codex,
      rpc,
      cwd: folder,
      budget,
      price: Option.getOrUndefined(prices),
      effort,
      asking,
      hasRow: canPrompt,
      dispatch
    })
    if (kind === "pipe") return dispatch({ _tag: "Done" })
    const title = Option.getOrUndefined(Option.map(info, titleOf))
    yield* Effect.forEach(ChatLines.welcome(folder, title), screen.line, { discard: true })
    if (source._tag !== "New") dispatch({ _tag: "Remembered", texts: yield* talk.said })
    dispatch({ _tag: "Done" })
  }).pipe(Scope.provide(outer))

  /** Answers of the person to what the agent and MCP servers ask, at the terminal for texts. */
  const handlers = Effect.gen(function*() {
    const ask = yield* Person.make(look, () => dispatch({ _tag: "Interrupted" }))
    const asked: Overrides = yield* Questions.make((request) => screen.reserve(Person.answer(ask, request)))
    const elicited: Overrides = yield* Elicitation.make((request) => screen.reserve(Person.elicit(ask, request)))
    return { ...asked, ...elicited }
  })

  const inner = Effect.gen(function*() {
    const work = yield* FiberHandle.make<void>()
    const idle = Latch.makeUnsafe(false)
    // What has no end of its own for the chat to wait for. A failure of it ends the chat.
    const working = <A, E2 extends Effect.Error<typeof start> | Effect.Error<ReturnType<Talk.Talk["send"]>>, R2>(
      effect: Effect.Effect<A, E2, R2>
    ) =>
      Effect.tapCause(
        Effect.asVoid(effect),
        (cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.asVoid(Deferred.failCause(ended, cause))
      )

    const draw = kind !== "keys" ?
      Effect.void :
      Effect.flatMap(
        now,
        (time) =>
          screen.row((columns) => ChatLines.rowFor(state, talk?.progress() ?? starting, time, columns, talk?.cost()))
      )

    const told = <E2 extends { readonly message: string }, R2>(effect: Effect.Effect<void, E2, R2>) =>
      Effect.catch(effect, ({ message }) => screen.line(line(span("error:", "red"), ` ${message}`)))

    const act = Effect.fnUntraced(function*(action: State.Action) {
      switch (action._tag) {
        case "Say":
          return yield* screen.line(action.line)
        case "Echo":
          return yield* screen.answerLines(ChatLines.echo(action.text, action.isSteering))
        case "Leave":
          return action.code
      }
      if (talk === undefined) return
      switch (action._tag) {
        case "Turn":
          return void (yield* FiberHandle.run(work, working(talk.send(action.text, action.images, action.mode))))
        case "Implement":
          return void (yield* FiberHandle.run(work, working(talk.implement(action.plan))))
        case "Steer":
          return void (yield* Effect.forkScoped(told(talk.steer(action.text, action.images))))
        case "Interrupt":
          return yield* talk.interrupt
        case "Run":
          return yield* command(talk, action.name, action.argument)
      }
    })

    const command = Effect.fnUntraced(function*(talk: Talk.Talk, name: string, argument: string) {
      const done = Effect.sync(() => dispatch({ _tag: "Done" }))
      switch (name) {
        case "compact":
          return void (yield* FiberHandle.run(work, working(talk.compact)))
        case "fork":
          return void (yield* FiberHandle.run(work, Effect.ensuring(told(talk.fork), done)))
        case "report":
          return void (yield* FiberHandle.run(work, Effect.ensuring(told(talk.report(argument)), done)))
        case "name":
          return void (yield* Effect.forkScoped(told(talk.name(argument))))
        case "image":
          return yield* talk.image(argument)
        default:
          return void (yield* Effect.forkScoped(told(talk.status(state.mode))))
      }
    })

    const loop = Effect.gen(function*() {
      while (true) {
        for (const event of yield* Queue.takeAll(events)) {
          const [next, actions] = State.step(state, event)
          state = next
          for (const action of actions) {
            const code = yield* act(action)
            if (code !== undefined) return code
          }
        }
        if (state.phase === "idle") {
          idle.openUnsafe()
          if (kind === "lines") yield* screen.answer(state.mode === "plan" ? "plan> " : "> ")
        }
        yield* draw
      }
    })

    if (kind === "keys") {
      const keyboard = yield* Keyboard.make
      yield* Keyboard.bracketedPaste
      yield* Effect.forkScoped(Effect.andThen(
        keyboard.run((key) => dispatch({ _tag: "Pressed", key })),
        Effect.sync(() => dispatch({ _tag: "InputEnded", waits: false }))
      ))
      yield* Effect.addFinalizer(() => screen.row(undefined))
      yield* Effect.forkScoped(Effect.repeat(
        Effect.suspend(() => state.phase === "idle" ? Effect.void : draw),
        Schedule.spaced("100 millis")
      ))
      if (Option.isSome(options.prompt)) dispatch({ _tag: "Line", text: options.prompt.value, isShown: false })
      yield* FiberHandle.run(work, Effect.provideService(working(start), Terminal.Terminal, keyboard.textTerminal))
      return yield* Effect.provideService(
        Effect.raceFirst(loop, Deferred.await(ended)),
        Terminal.Terminal,
        keyboard.terminal
      )
    }
    if (Option.isSome(options.prompt)) dispatch({ _tag: "Line", text: options.prompt.value, isShown: true })
    const read = forEachLine((text) =>
      Effect.gen(function*() {
        // A pipe is read as fast as its messages are answered.
        if (kind === "pipe") yield* idle.await
        idle.closeUnsafe()
        dispatch({ _tag: "Line", text, isShown: true })
      })
    )
    yield* Effect.forkScoped(working(Effect.andThen(
      read,
      Effect.sync(() => dispatch({ _tag: "InputEnded", waits: true }))
    )))
    yield* FiberHandle.run(work, working(start))
    return yield* Effect.raceFirst(loop, Deferred.await(ended))
  })

  const code = yield* inner.pipe(
    Effect.scoped,
    Effect.onExit((exit) =>
      talk !== undefined && isResumable && talk.counts.turns > 0 && !Run.isSilent(exit)
        ? screen.line(ChatLines.farewell(talk.id()))
        : Effect.void
    ),
    Effect.provideService(Screen, screen),
    Option.isSome(prices) ? Effect.provideService(Pricing.Pricing, prices.value) : (effect) => effect
  )
  if (code !== 0) return yield* Effect.interrupt
  const counts = talk?.counts
  if (kind === "pipe" && counts !== undefined && counts.failed > 0) return yield* new TurnsFailed(counts)
}, Effect.scoped)

/** A terminal has room for one question at a time, whoever asks. */
const exclusive = (screen: Screen["Service"]) =>
  Effect.map(Semaphore.make(1), (turnstile): Screen["Service"] => ({
    ...screen,
    reserve: (effect) => turnstile.withPermits(1)(screen.reserve(effect))
  }))
