/** What this client's turns were started with. Decides whether a message may steer a running turn. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import { SettingsNotApplied } from "../../CodexError.ts"
import type { TurnOptions } from "../../Thread.ts"
import * as Held from "../settings/heldSettings.ts"
import * as Kept from "../settings/keptSettings.ts"
import { defined } from "../settings/settings.ts"
import type { ThreadSettings } from "../settings/threadSettings.ts"

type Params = Partial<ClientRequests["turn/start"]["params"]>

/** What a turn was started with. */
interface Started {
  readonly id: string
  readonly asked: Held.Asked
  readonly untold: Untold
  /** What this client has changed of it since, as the server would tell it. */
  readonly changed?: Held.Told | undefined
}

/** The settings of a turn that no notification reports. */
type Untold = Pick<Params, "cyberAccessProgram" | "environments" | "outputSchema" | "serviceTierForTurn" | "summary">

const untoldOf = ({ cyberAccessProgram, environments, outputSchema, serviceTierForTurn, summary }: Params): Untold =>
  defined({ cyberAccessProgram, environments, outputSchema, serviceTierForTurn, summary })

const askedOf = (kept: Kept.Kept, { effort, model, serviceTier }: Params): Held.Asked => ({
  ...Kept.asked(kept),
  ...defined({ effort: effort ?? undefined, model: model ?? undefined, serviceTier: serviceTier ?? undefined })
})

// A forgotten turn is not steered by a message that has settings of its own.
const maxThreads = 1024

/** The last turn that this client started on each thread. */
export class StartedTurns {
  private readonly threads = new Map<string, Started>()

  of(threadId: string, turnId: string): Started | undefined {
    const started = this.threads.get(threadId)
    return started?.id === turnId ? started : undefined
  }

  set(threadId: string, turnId: string, kept: Kept.Kept, given: Params): void {
    this.put(threadId, { id: turnId, asked: askedOf(kept, given), untold: untoldOf(given) })
  }

  /** Takes in what a running turn was changed to. Null resets a setting to one that is not known. */
  change(threadId: string, turnId: string, given: Params): void {
    const { asked, changed, untold } = this.of(threadId, turnId) ?? { asked: {}, changed: undefined, untold: {} }
    const { approvalsReviewer, effort, environments, model, serviceTier, summary } = given
    this.put(threadId, {
      id: turnId,
      asked: {
        ...asked,
        ...defined({
          approvalsReviewer: approvalsReviewer ?? undefined,
          effort: effort ?? undefined,
          model: model ?? undefined,
          serviceTier: serviceTier ?? undefined
        })
      },
      untold: { ...untold, ...defined({ environments, summary }) },
      changed: {
        ...changed,
        ...defined({
          approvalsReviewer: approvalsReviewer ?? undefined,
          model: model ?? undefined,
          reasoningEffort: effort ?? undefined,
          serviceTier
        })
      }
    })
  }

  private put(threadId: string, started: Started): void {
    this.threads.delete(threadId)
    this.threads.set(threadId, started)
    const [oldest] = this.threads.keys()
    if (this.threads.size > maxThreads && oldest !== undefined) this.threads.delete(oldest)
  }
}

/** The members that differ from those of the other object. */
const differing = <A extends object>(members: A, other: object | undefined): Partial<A> => {
  const found: Partial<A> = { ...members }
  for (const [name, value] of Object.entries(other ?? {})) {
    const key = name as keyof A
    if (JSON.stringify(members[key]) === JSON.stringify(value)) delete found[key]
  }
  return found
}

/** Why a message must not steer a turn: it asks for settings that the turn does not have. */
export const refuseSteer = (
  { settings, started, threadId }: {
    readonly threadId: string
    readonly settings: ThreadSettings
    readonly started: StartedTurns
  },
  given: Params,
  options: TurnOptions | undefined
) =>
(turnId: string, held: Held.Told | undefined): SettingsNotApplied | undefined => {
  const turn = started.of(threadId, turnId)
  const advice =
    "A turn that runs keeps its settings: set `whenBusy` to \"queue\", or steer it with a handle that asks " +
    "for none of them."
  const asked = askedOf(Kept.keep(Kept.explicit(settings.current), options ?? {}), given)
  const different = { ...differing(asked, turn?.asked), temporary: settings.temporary }
  const holds = turn?.changed === undefined ? held : { ...held, ...turn.changed }
  const told = Held.notHeld(threadId, different, holds, { untold: true, advice })
  const untold = Object.entries(differing(untoldOf(given), turn?.untold)).map(([setting, value]) => ({
    setting,
    asked: JSON.stringify(value),
    holds: `what turn ${turnId} was started with`,
    advice
  }))
  const mode = options?.mode
  const heldMode = held === undefined ? undefined : held.mode ?? "default"
  const wrongMode = mode === undefined || mode === heldMode ? [] : [{
    setting: "mode",
    asked: mode,
    holds: heldMode ?? "a mode that the server does not report",
    advice
  }]
  const wrong = [...told?.settings ?? [], ...untold, ...wrongMode]
  return wrong.length === 0 ? undefined : new SettingsNotApplied({
    threadId,
    settings: wrong.map((one) => one.setting === Held.effortSetting ? { ...one, setting: "effort" } : one)
  })
}
