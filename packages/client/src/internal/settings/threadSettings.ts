/**
 * The settings that a thread's handle asked for, and how it makes the thread hold them. Changes count from the
 * time they are sent, in the order in which they were requested.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { CallError, InvalidArgument, SettingsNotApplied, ThreadNotFound } from "../../CodexError.ts"
import { call, using } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import type { Told } from "./heldSettings.ts"
import * as Held from "./heldSettings.ts"
import * as Kept from "./keptSettings.ts"
import * as TurnMode from "./turnMode.ts"
import type { Opened } from "./untoldSettings.ts"

/** Settings that were sent. */
interface Change {
  readonly given: Kept.Kept
  /** The server accepted or refused it, or the request was abandoned. */
  isDone: boolean
}

/** After one of these errors the server may still have applied the change. */
export const unknownOutcomes: ReadonlySet<string> = new Set(["AppServerTimeout", "AppServerExited", "TransportError"])

export class ThreadSettings {
  private readonly rpc: Rpc
  private readonly opened: Opened
  private readonly threadId: string
  /** The requested settings, including changes that are not done. */
  private kept: Kept.Kept
  /** The requested settings without the changes in `pending`. */
  private base: Kept.Kept
  /** The first change that is not done and all changes after it. */
  private pending: ReadonlyArray<Change> = []
  /** The settings before each change that the server has not reported yet. */
  private changing: ReadonlyArray<{
    readonly before: Kept.Kept
    readonly told: Told | undefined
    readonly pending: ReadonlyArray<Change>
  }> = []
  /** Completed when a turn's request is sent. Changes requested after the turn wait for it. */
  private readonly earlier = new Set<Deferred.Deferred<void>>()
  /** The folder of TMPDIR on the server, once it was found. */
  private foundTemporary: string | undefined

  constructor(rpc: Rpc, opened: Opened, threadId: string, kept: Kept.Kept) {
    this.rpc = rpc
    this.opened = opened
    this.threadId = threadId
    this.kept = kept
    this.base = kept
    opened.ask(threadId, kept)
  }

  get current(): Kept.Kept {
    return this.kept
  }

  get temporary(): string | undefined {
    return this.foundTemporary
  }

  /** Called when another process has loaded the thread. */
  onResumed(): void {
    this.foundTemporary = undefined
  }

  /** Rejects a change that would leave the thread without a sandbox. */
  checked(given: Kept.Kept) {
    return <A, E, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E | InvalidArgument, R> =>
      Effect.suspend(() => Effect.andThen(Kept.checkBypass(this.kept, given), request))
  }

  /**
   * Keeps settings from the time they are sent: the reply may be lost, and the last request counts. A refusal
   * takes them back. An unknown outcome does too if the settings could be looser.
   */
  keeping(given: Kept.Kept) {
    return <A, E extends { readonly _tag: string }>(request: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        const change: Change = { given, isDone: false }
        const now = internalsOf(this.rpc).settingsOf(this.threadId)
        this.changing = [
          ...this.changing.filter(({ told }) => told === now),
          { before: this.kept, told: now, pending: this.pending }
        ]
        this.pending = [...this.pending, change]
        this.kept = Kept.keep(this.kept, given)
        return Effect.onExit(request, (exit) => Effect.sync(() => this.onDone(change, exit)))
      })
  }

  private onDone(change: Change, exit: Exit.Exit<unknown, { readonly _tag: string }>): void {
    const { given } = change
    change.isDone = true
    if (Exit.isSuccess(exit)) this.opened.ask(this.threadId, given)
    else {
      const before = this.keptWith(this.pending.slice(0, this.pending.indexOf(change)))
      const error = Cause.findErrorOption(exit.cause)
      const isRefused = Option.isSome(error) && !unknownOutcomes.has(error.value._tag)
      if (isRefused || !Kept.isNoLooser(Kept.keep(before, given), before)) {
        this.pending = this.pending.filter((one) => one !== change)
        this.changing = this.changing.filter((one) => !one.pending.includes(change))
      }
    }
    const open = this.pending.findIndex(({ isDone }) => !isDone)
    const done = open === -1 ? this.pending.length : open
    this.base = this.keptWith(this.pending.slice(0, done))
    this.pending = this.pending.slice(done)
    this.kept = this.keptWith(this.pending)
  }

  private keptWith(changes: ReadonlyArray<Change>): Kept.Kept {
    return changes.reduce((all, { given }) => Kept.keep(all, given), this.base)
  }

  /**
   * Makes later changes wait until `use` calls `sent` or ends. `use` calls it when its request is sent or waits
   * for another turn.
   */
  inOrder<A, E, R>(use: (sent: () => void) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const sent = Deferred.makeUnsafe<void>()
      this.earlier.add(sent)
      const done = () => {
        this.earlier.delete(sent)
        Deferred.doneUnsafe(sent, Exit.void)
      }
      return Effect.ensuring(use(done), Effect.sync(done))
    })
  }

  /** Runs a change after the turns that were requested before it. */
  afterEarlier<A, E, R>(change: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() =>
      Effect.andThen(Effect.forEach([...this.earlier], (sent) => Deferred.await(sent), { discard: true }), change)
    )
  }

  /**
   * Makes the thread hold the kept settings and the default mode, for turns that the server starts with the thread's
   * own settings.
   */
  get enforce(): Effect.Effect<void, CallError | ThreadNotFound> {
    return Effect.suspend(() => {
      const params = {
        ...Kept.updateParams(this.kept, internalsOf(this.rpc).settingsOf(this.threadId)),
        ...TurnMode.leaving(this.rpc, this.threadId)
      }
      return Object.keys(params).length === 0 ? Effect.void : Effect.andThen(
        call(this.rpc, "thread/settings/update", { threadId: this.threadId, ...params }),
        this.findTemporary
      )
    })
  }

  /**
   * Finds the folder of TMPDIR now, so that a later comparison can tell it from a folder that another client
   * added.
   */
  get findTemporary(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { sandbox } = Kept.asked(this.kept)
      if (sandbox === undefined || this.foundTemporary !== undefined) return Effect.void
      if (!Held.namesTemporary(sandbox, internalsOf(this.rpc).settingsOf(this.threadId) ?? {})) return Effect.void
      // Asks, because the change is announced some time after the reply, perhaps after another client's change.
      const look = { threadId: this.threadId, excludeTurns: true }
      return this.rpc.request("thread/resume", look, { timeout: "2 seconds" }).pipe(
        using(this.rpc, "thread/resume", Held.toldOf),
        Effect.map((told) => {
          this.foundTemporary = Held.temporaryOf(sandbox, told)
        }),
        Effect.ignore
      )
    })
  }

  /** Why a turn that the server started must not run. It may have begun before our own change was applied. */
  readonly refuse = (held: Told | undefined): SettingsNotApplied | undefined => {
    const wrong = (kept: Kept.Kept) =>
      Held.notHeld(this.threadId, { ...Kept.asked(kept), temporary: this.temporary }, held, {
        untold: false,
        advice:
          "Somebody else changed the thread right before the turn began, and the turn was stopped: look at what it " +
          "did, then start it again."
      })
    const one = wrong(this.kept)
    return this.changing.some(({ before, told }) => told === held && wrong(before) === undefined) ? undefined : one
  }
}
