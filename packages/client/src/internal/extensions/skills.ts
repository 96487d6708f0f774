/** Skills: lists, the switch, extra roots, and changes. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type ConnectionError, InvalidArgument } from "../../CodexError.ts"
import type { Extensions, SkillSelector } from "../../Extensions.ts"
import { Watched } from "../events/watched.ts"
import * as OptionKinds from "../options.ts"
import { call } from "../protocol/uses.ts"
import { internalsOf, type Rpc, type RpcInternals } from "../rpcInternals.ts"
import * as Paths from "../settings/serverPaths.ts"
import { defined } from "../settings/settings.ts"

// =============================================================================
// Extra roots
// =============================================================================

interface Roots {
  readonly held: Set<ReadonlyArray<string>>
  readonly oneAtATime: Semaphore.Semaphore
}

// By the internals, which wrappers of a connection share. The server has one list for all its clients' calls.
const roots = new WeakMap<RpcInternals, Roots>()

const rootsOf = (internals: RpcInternals): Roots => {
  const known = roots.get(internals)
  if (known !== undefined) return known
  const made = { held: new Set<ReadonlyArray<string>>(), oneAtATime: Semaphore.makeUnsafe(1) }
  roots.set(internals, made)
  return made
}

const addRoots = Effect.fnUntraced(function*(rpc: Rpc, given: ReadonlyArray<string>) {
  yield* Paths.checkAll("roots", given)
  const internals = internalsOf(rpc)
  const { held, oneAtATime } = rootsOf(internals)
  const own = [...given]
  // Each request replaces the server's list: docs/codex-behaviour.md, "Extra roots of skills replace each other".
  const send = Effect.suspend(() =>
    call(rpc, "skills/extraRoots/set", { extraRoots: [...new Set([...held].flat())] }, { timeout: "10 seconds" })
  )
  const forget = Effect.sync(() => held.delete(own))
  yield* Effect.acquireRelease(
    Effect.sync(() => held.add(own)),
    () => forget.pipe(Effect.andThen(send), oneAtATime.withPermit, Effect.timeoutOption("2 seconds"), Effect.ignore)
  )
  yield* Effect.onError(oneAtATime.withPermit(send), () => forget)
  // A new process has none. It must not wait for a caller who waits for the new process.
  yield* internals.afterRestart(Effect.ignore(send), true)
})

// =============================================================================
// Changes
// =============================================================================

const changes = (rpc: Rpc): Stream.Stream<void, ConnectionError> =>
  Stream.unwrap(Effect.gen(function*() {
    const watched = new Watched<ConnectionError>()
    let count = 0
    const changed = () => {
      count++
      watched.changed()
    }
    yield* internalsOf(rpc).observe(undefined, {
      onNotification: ({ _tag }) => {
        if (_tag === "skills/changed") changed()
      },
      onReadEnd: () => watched.flush(),
      onEnd: (cause) => {
        watched.close(Exit.fail(cause))
        watched.flush()
      },
      // What happened during the outage is unknown.
      onRestored: () => {
        changed()
        watched.flush()
      }
    })
    return watched.stream<void>(() => {
      let seen = 0
      return () => {
        if (seen === count) return undefined
        seen = count
        return [undefined]
      }
    })
  }))

// =============================================================================
// Members
// =============================================================================

const selected = (skill: SkillSelector): Effect.Effect<SkillSelector, InvalidArgument> =>
  Effect.suspend(() => {
    const { name, path } = { name: undefined, path: undefined, ...skill }
    const one = name ?? path
    return (name === undefined) !== (path === undefined) && typeof one === "string" && one.trim() !== ""
      ? Effect.as(path === undefined ? Effect.void : Paths.check("skill.path", path), skill)
      : new InvalidArgument({
        argument: "skill",
        detail: "expected either { name } or { path }, the path of the skill's SKILL.md; a text that is not blank."
      })
  })

type Skills = Pick<Extensions["Service"], "skills" | "setSkillEnabled" | "addSkillRoots" | "skillChanges">

export const make = (rpc: Rpc): Skills => ({
  skills: Effect.fn("Extensions.skills")(function*(options) {
    yield* OptionKinds.check(options, { reload: OptionKinds.flag })
    // docs/codex-behaviour.md, "Skills are listed for folders, also for such as do not exist".
    if (options?.folders !== undefined) yield* Paths.checkAll("folders", options.folders)
    const params = defined({ cwds: options?.folders, forceReload: options?.reload })
    return (yield* rpc.request("skills/list", params)).data
  }),
  setSkillEnabled: Effect.fn("Extensions.setSkillEnabled")(function*(skill, enabled) {
    const { name, path } = { name: undefined, path: undefined, ...(yield* selected(skill)) }
    yield* OptionKinds.checkArgument("enabled", enabled, OptionKinds.flag)
    return (yield* rpc.request("skills/config/write", { ...defined({ name, path }), enabled })).effectiveEnabled
  }),
  addSkillRoots: Effect.fn("Extensions.addSkillRoots")((given) => addRoots(rpc, given)),
  skillChanges: changes(rpc)
})
