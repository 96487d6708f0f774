/**
 * The settings of each thread as the server reports them: in replies that open a thread, and in each change.
 * docs/codex-behaviour.md, "A change of settings is told before the next turn begins".
 */
import * as Received from "@effect-codex/protocol/Received"
import * as Predicate from "effect/Predicate"
import { guardOf } from "../protocol/guard.ts"
import { at } from "../protocol/peek.ts"
import type { Told } from "./heldSettings.ts"
import { defined } from "./settings.ts"

export interface ToldSettings {
  /** Returns the same object until the server reports more. */
  readonly of: (threadId: string) => Told | undefined
  /** Takes in `thread/started` or `thread/settings/updated`, with the monotonic time in nanoseconds. */
  readonly updated: (threadId: string, params: unknown, now: bigint) => void
  /**
   * Takes in the reply to a request for which {@link isTold} is true, with the time at which the request was
   * sent.
   */
  readonly replied: (result: unknown, sentAt: bigint) => void
  /**
   * Takes in the params of a `thread/settings/update` that the server accepted. docs/codex-behaviour.md, "A change of
   * settings is told after the reply that accepts it".
   */
  readonly accepted: (params: unknown) => void
  /**
   * Takes in that a thread is a fork of another. It has the default mode, but the model was told of its source's:
   * docs/codex-behaviour.md, "A mode holds for the turns that follow, also in the next process".
   */
  readonly forked: (threadId: string, fromId: string) => void
  /** What the next turn begins with: what the server reported, and the changes that it accepted since. */
  readonly next: (threadId: string) => Next
  readonly closed: (threadId: string) => void
}

/** The settings of the next turn that a mode would replace, and the mode. */
export type Next = Pick<Told, "mode" | "model" | "reasoningEffort">

const opening: ReadonlySet<string> = new Set(["thread/start", "thread/resume", "thread/fork"])

/** Whether the reply to a request reports a thread's settings. */
export const isTold = (method: string): boolean => opening.has(method)

// Far more threads than are loaded at once. Bounds memory against a misbehaving server.
const maxThreads = 4096

const text = (u: unknown): string | undefined => Predicate.isString(u) ? u : undefined

const textOrNull = (u: unknown): string | null | undefined => u === null ? null : text(u)

const is = <A>(guard: (u: unknown) => u is A, u: unknown): A | undefined => guard(u) ? u : undefined

const environmentsOf = (u: unknown): Told["environments"] =>
  Array.isArray(u) ? u.filter(guardOf(Received.ThreadEnvironment)) : undefined

const profileOf = (u: unknown): Told["activePermissionProfile"] =>
  u === null ? null : is(guardOf(Received.ActivePermissionProfile), u)

/** The settings that replies and notifications name alike. */
const toldOf = (u: unknown): Told => ({
  activePermissionProfile: profileOf(at(u, "activePermissionProfile")),
  approvalPolicy: is(guardOf(Received.AskForApproval), at(u, "approvalPolicy")),
  approvalsReviewer: is(guardOf(Received.ApprovalsReviewer), at(u, "approvalsReviewer")),
  cwd: text(at(u, "cwd")),
  model: text(at(u, "model")),
  modelProvider: text(at(u, "modelProvider")),
  serviceTier: textOrNull(at(u, "serviceTier"))
})

const modeOf = (u: unknown): string | undefined => text(at(at(u, "collaborationMode"), "mode"))

/** A mode replaces the model and the effort that stand beside it. */
const ofUpdate = (params: unknown): Next => {
  const mode = at(at(params, "collaborationMode"), "settings")
  return defined({
    mode: modeOf(params),
    model: text(at(mode, "model")) ?? text(at(params, "model")),
    reasoningEffort: mode === undefined ? text(at(params, "effort")) : textOrNull(at(mode, "reasoning_effort"))
  })
}

const ofChange = (settings: unknown): Told => {
  const environments = environmentsOf(at(settings, "environments"))
  return {
    ...toldOf(settings),
    environments,
    mode: modeOf(settings),
    reasoningEffort: textOrNull(at(settings, "effort")),
    runtimeWorkspaceRoots: environments?.[0]?.runtimeWorkspaceRoots,
    sandbox: is(guardOf(Received.SandboxPolicy), at(settings, "sandboxPolicy"))
  }
}

const ofReply = (result: unknown): Told => {
  const roots = at(result, "runtimeWorkspaceRoots")
  return {
    ...toldOf(result),
    environments: environmentsOf(at(at(result, "thread"), "environments")),
    mode: modeOf(result),
    reasoningEffort: textOrNull(at(result, "reasoningEffort")),
    runtimeWorkspaceRoots: Array.isArray(roots) ? roots.filter(Predicate.isString) : undefined,
    sandbox: is(guardOf(Received.SandboxPolicy), at(result, "sandbox"))
  }
}

interface Known {
  readonly told: Told
  readonly changedAt: bigint
  /** The accepted changes that are not reported yet. */
  readonly accepted?: Next | undefined
}

/** The accepted changes that a report does not cover: it repeats what was reported before. */
const unreported = (accepted: Next | undefined, before: Next | undefined, now: Next): Next | undefined =>
  accepted === undefined ? undefined : defined({
    mode: before?.mode === now.mode ? accepted.mode : undefined,
    model: before?.model === now.model ? accepted.model : undefined,
    reasoningEffort: before?.reasoningEffort === now.reasoningEffort ? accepted.reasoningEffort : undefined
  })

export const make = (): ToldSettings => {
  const threads = new Map<string, Known>()
  const set = (threadId: string, reported: Told, changedAt: bigint): void => {
    const before = threads.get(threadId)
    const told = { ...before?.told, ...defined(reported) }
    threads.delete(threadId)
    threads.set(threadId, { told, changedAt, accepted: unreported(before?.accepted, before?.told, told) })
    if (threads.size <= maxThreads) return
    const [oldest] = threads.keys()
    threads.delete(oldest!)
  }
  const nextOf = (threadId: string): Next => {
    const { accepted, told } = threads.get(threadId) ?? {}
    return defined({ mode: told?.mode, model: told?.model, reasoningEffort: told?.reasoningEffort, ...accepted })
  }
  return {
    of: (threadId) => threads.get(threadId)?.told,
    updated: (threadId, params, now) => {
      const settings = at(params, "threadSettings")
      if (settings !== undefined) return set(threadId, ofChange(settings), now)
      const model = text(at(at(params, "thread"), "model"))
      if (model !== undefined) set(threadId, { model }, threads.get(threadId)?.changedAt ?? 0n)
    },
    replied: (result, sentAt) => {
      const threadId = at(at(result, "thread"), "id")
      if (!Predicate.isString(threadId)) return
      // The server may have built the reply before a change that it announced first.
      const changedAt = threads.get(threadId)?.changedAt ?? 0n
      if (changedAt <= sentAt) set(threadId, ofReply(result), changedAt)
    },
    accepted: (params) => {
      const threadId = at(params, "threadId")
      const known = Predicate.isString(threadId) ? threads.get(threadId) : undefined
      if (!Predicate.isString(threadId) || known === undefined) return
      threads.set(threadId, { ...known, accepted: { ...known.accepted, ...ofUpdate(params) } })
    },
    forked: (threadId, fromId) => {
      const { mode } = nextOf(fromId)
      const known = threads.get(threadId)
      if (mode !== undefined && known !== undefined) threads.set(threadId, { ...known, accepted: { mode } })
    },
    next: nextOf,
    closed: (threadId) => void threads.delete(threadId)
  }
}
