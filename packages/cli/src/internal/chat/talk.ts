/** The conversation behind a chat: its thread, the turn that runs, and how it is shown. */
import type { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import type { Budget } from "@effect-codex/client/Budget"
import type { Codex } from "@effect-codex/client/Codex"
import type { Input } from "@effect-codex/client/Input"
import * as InputItem from "@effect-codex/client/Input"
import type { Price } from "@effect-codex/client/Pricing"
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { Effort, Thread } from "@effect-codex/client/Thread"
import type { Turn } from "@effect-codex/client/Turn"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { resolve } from "node:path"
import { Answer } from "../answer.ts"
import type * as Ask from "../ask.ts"
import { line, span } from "../lines.ts"
import { now } from "../monotonic.ts"
import * as Progress from "../progress.ts"
import { named } from "../run.ts"
import { Screen, StdoutClosed, StdoutFailed } from "../screen.ts"
import { visible } from "../text.ts"
import { isDecoded } from "../threadIds.ts"
import * as ChatLines from "./chatLines.ts"
import { imagesIn, unquoted } from "./message.ts"
import type * as State from "./state.ts"

export interface Settings {
  readonly codex: Codex["Service"]
  readonly rpc: AppServerRpc["Service"]
  readonly cwd: string
  readonly budget: Budget
  readonly price: Price | undefined
  readonly effort: Effort | undefined
  readonly asking: Ask.Asking | undefined
  /** Whether a person sits at a terminal with a row to type in. */
  readonly hasRow: boolean
  readonly dispatch: (event: State.Event) => void
}

export type Talk = Effect.Success<ReturnType<typeof make>>

/** What ends the chat: nobody can read it any more. */
const isFatal = (error: unknown): error is StdoutClosed | StdoutFailed =>
  error instanceof StdoutClosed || error instanceof StdoutFailed

export const make = Effect.fnUntraced(function*(first: Thread, settings: Settings) {
  const { asking, budget, codex, cwd, dispatch, effort, hasRow, price, rpc } = settings
  const screen = yield* Screen
  const fs = yield* FileSystem.FileSystem
  const scope = yield* Effect.scope
  // In the order in which they were typed.
  const steering = yield* Semaphore.make(1)

  let thread = first
  let turn: Turn | undefined
  /** Whether the person has interrupted a turn that the server has not accepted yet. */
  let isInterrupted = false
  let progress = Progress.initial(yield* now, cwd)
  let model: string | undefined
  let cost: number | undefined
  const counts = { turns: 0, failed: 0 }

  const warn = (text: string) => screen.line(line(span(text, "yellow")))
  const fail = (text: string) => screen.line(line(span("error:", "red"), ` ${text}`))
  const aside = (text: string) => screen.line(line(span(text, "dim")))

  const inputOf = Effect.fnUntraced(function*(text: string, attached: ReadonlyArray<string>) {
    const paths = [...attached]
    for (const named of imagesIn(text)) {
      const path = resolve(cwd, named)
      if (yield* Effect.orElseSucceed(fs.exists(path), () => false)) paths.push(path)
      else yield* warn(`@${visible(named, 300)} is no file of this folder. It was sent as text.`)
    }
    const input: Input = paths.length === 0 ? text : [text, ...paths.map(InputItem.localImage)]
    return input
  })

  // ---------------------------------------------------------------------------
  // Turns
  // ---------------------------------------------------------------------------

  const stop = (turn: Turn) =>
    turn.interruptWithTerminals.pipe(
      Effect.catch(({ message }) => fail(message)),
      Effect.forkIn(scope),
      Effect.asVoid
    )

  const showing = Effect.fnUntraced(function*() {
    const answer = new Answer()
    const lines = hasRow ? ChatLines.lineMaker(screen.rich?.columns) : undefined
    let told = ""
    const write = (text: string) => lines === undefined ? screen.answer(text) : screen.answerLines(lines.push(text))
    return {
      show: Effect.fnUntraced(function*(event: TurnEvent) {
        if (event._tag === "turn/started") dispatch({ _tag: "Began" })
        const [next, shown] = Progress.step(progress, event)
        progress = next
        // The client itself logs these as warnings, once.
        const isTold = event._tag === "error" || event._tag === "model/rerouted"
        if (!isTold) yield* Effect.forEach(shown, screen.line, { discard: true })
        const activity = Progress.activity(progress)
        if (!hasRow && activity !== told && (event._tag === "turn/started" || event._tag === "item/started")) {
          told = activity
          yield* aside(activity)
        }
        if (event._tag === "thread/tokenUsage/updated") cost = Option.getOrUndefined((yield* budget.spent).cost)
        yield* write(answer.push(event))
      }),
      end: Effect.gen(function*() {
        yield* write(answer.end())
        if (lines !== undefined) yield* screen.answerLines(lines.end())
      })
    }
  })

  /** Ctrl-C at a question interrupts the asking from inside. */
  const questions = asking === undefined ? Effect.never : Effect.andThen(
    Effect.exit(asking.ask),
    Effect.andThen(Effect.sync(() => dispatch({ _tag: "Interrupted" })), Effect.never)
  )

  const follow = Effect.fnUntraced(function*(started: Turn) {
    turn = started
    if (isInterrupted) yield* stop(started)
    const { end, show } = yield* showing()
    yield* Effect.raceFirst(Stream.runForEach(started.events, show), questions).pipe(Effect.ensuring(Effect.sync(() => {
      turn = undefined
    })))
    yield* end
    const result = yield* started.result
    model = Option.getOrElse(result.model, () => model)
    if (result.status === "interrupted") {
      yield* aside("Interrupted. Say how to go on.")
    } else {
      const usage = Option.getOrUndefined(result.usage)
      const spent = Option.getOrUndefined(result.cost)
      yield* screen.line(Progress.summaryLine(progress, yield* now, usage, Option.getOrUndefined(result.model), spent))
    }
    return { status: result.status === "interrupted" ? "interrupted" : "completed", plan: result.plan } as const
  })

  /** Runs a turn to its end. It fails only if the chat has to end with it. */
  const run = Effect.fnUntraced(function*<E extends { readonly message: string }, R>(
    start: Effect.Effect<Turn, E, R>
  ) {
    isInterrupted = false
    counts.turns++
    progress = { ...Progress.initial(yield* now, cwd), idle: "thinking", contextLeft: progress.contextLeft }
    const exit = yield* Effect.exit(Effect.scoped(Effect.flatMap(Effect.mapError(start, named), follow)))
    if (Exit.isSuccess(exit)) {
      const { plan, status } = exit.value
      return dispatch({ _tag: "Ended", status, plan: Option.getOrUndefined(plan) })
    }
    const error = Cause.squash(exit.cause)
    if (Cause.hasInterrupts(exit.cause) || Cause.hasDies(exit.cause) || isFatal(error)) {
      return yield* Effect.failCause(exit.cause)
    }
    counts.failed++
    yield* fail(error instanceof Error ? error.message : String(error))
    yield* aside("The thread keeps what was said: change something and say how to go on, or leave with Ctrl-D.")
    dispatch({ _tag: "Ended", status: "failed", plan: undefined })
  })

  const steer = Effect.fnUntraced(function*(text: string, images: ReadonlyArray<string>) {
    const running = turn
    if (running === undefined) return dispatch({ _tag: "NotSteered", text })
    yield* running.steer(yield* inputOf(text, images)).pipe(
      Effect.catchTags({
        NoActiveTurn: () => Effect.sync(() => dispatch({ _tag: "NotSteered", text })),
        TurnMismatch: () => Effect.sync(() => dispatch({ _tag: "NotSteered", text }))
      }),
      Effect.catch(({ message }) => fail(message))
    )
  }, steering.withPermits(1))

  // ---------------------------------------------------------------------------
  // Commands
  // ---------------------------------------------------------------------------

  const status = Effect.fnUntraced(function*(mode: State.State["mode"]) {
    const info = yield* Effect.option(thread.read())
    yield* Effect.forEach(
      ChatLines.status({
        threadId: thread.id,
        name: Option.match(info, { onNone: () => null, onSome: ({ name }) => name }),
        cwd,
        model: model ?? Option.getOrUndefined(Option.flatMap(info, ({ model }) => Option.fromNullishOr(model))),
        mode,
        contextLeft: progress.contextLeft,
        spent: yield* budget.spent,
        remaining: yield* budget.remaining,
        hasPrices: price !== undefined
      }),
      screen.line,
      { discard: true }
    )
  })

  const fork = Effect.gen(function*() {
    const from = thread.id
    thread = yield* thread.fork()
    yield* aside(`You are in a copy now, ${thread.id}.`)
    yield* screen.line({
      spans: [span(`The original: effect-codex chat --resume ${from}`, "dim")],
      isRigid: true
    })
  })

  const name = (text: string) =>
    text.trim() === ""
      ? aside("Write the name behind it: /name Fix the parser")
      : Effect.andThen(thread.setName(text.trim()), aside("Named."))

  const image = Effect.fnUntraced(function*(argument: string) {
    if (argument.trim() === "") return yield* aside("Write the file behind it: /image screenshot.png")
    const path = resolve(cwd, unquoted(argument))
    const info = yield* Effect.option(fs.stat(path))
    if (Option.isNone(info) || info.value.type !== "File") return yield* warn(`${visible(path, 300)} is no file.`)
    dispatch({ _tag: "ImageAdded", path })
    if (!hasRow) yield* aside("It goes with your next message.")
  })

  const report = Effect.fnUntraced(function*(argument: string) {
    const { save } = yield* Effect.promise(() => import("../report.ts"))
    const file = argument.trim() === "" ? undefined : unquoted(argument)
    yield* aside(`Written to ${yield* save({ codex, rpc }, thread.id, { file, price })}`)
  })

  return {
    id: () => thread.id,
    counts,
    progress: () => progress,
    cost: () => cost,
    /** The last messages of the person, the oldest first. */
    said: thread.turns({ itemsView: "summary" }).pipe(
      Stream.take(25),
      Stream.filter(isDecoded),
      Stream.flatMap(({ items }) => Stream.fromIterable(items)),
      Stream.runCollect,
      Effect.map((items) =>
        items.flatMap((item) =>
          item.type === "userMessage"
            ? [item.content.flatMap((part) => part.type === "text" ? [part.text] : []).join("\n")]
            : []
        ).filter((text) => text.trim() !== "").reverse()
      ),
      // Nothing was said yet, or it cannot be read: there is only less to go back to.
      Effect.catch(() => Effect.succeed([]))
    ),
    send: (text: string, images: ReadonlyArray<string>, mode: State.State["mode"]) =>
      run(Effect.flatMap(inputOf(text, images), (input) => thread.turn(input, { budget, effort, mode }))),
    implement: (plan: string) => run(Effect.map(thread.implementPlan(plan, { budget, effort }), ({ turn }) => turn)),
    compact: run(Effect.suspend(() => thread.compact())),
    interrupt: Effect.suspend(() => {
      isInterrupted = true
      progress = { ...progress, idle: "interrupting", running: [] }
      return turn === undefined ? Effect.void : stop(turn)
    }),
    steer,
    status,
    fork,
    name,
    image,
    report
  }
})
