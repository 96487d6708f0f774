/**
 * Compares the requested settings of a thread with those that the server reports. Changes what differs with
 * `thread/settings/update` and reads it again. A difference that cannot be changed is an error.
 */
import * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { type ResumeError, type RpcError, SettingsNotApplied } from "../../CodexError.ts"
import type { Sandbox } from "../../Sandbox.ts"
import { parts } from "../protocol/guard.ts"
import type { Members } from "../protocol/peek.ts"
import { call, using } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import { containsPath, isRelative, isWithin, samePath } from "./paths.ts"
import { defined } from "./settings.ts"

/** The requested settings that the replies to `thread/start`, `thread/resume` and `thread/fork` report. */
export interface Asked {
  readonly approvalPolicy?: Sent.AskForApproval | undefined
  readonly approvalsReviewer?: Sent.ApprovalsReviewer | undefined
  readonly sandbox?: Sandbox | undefined
  readonly permissions?: string | undefined
  readonly cwd?: string | undefined
  readonly runtimeWorkspaceRoots?: ReadonlyArray<string> | undefined
  readonly model?: string | undefined
  readonly modelProvider?: string | undefined
  readonly serviceTier?: string | undefined
  readonly effort?: string | undefined
  /** What `config` adds to `Sandbox.workspaceWrite`. */
  readonly details?: { readonly [key: string]: unknown } | undefined
  /** The folder of TMPDIR on the server, if {@link temporaryOf} found it. */
  readonly temporary?: string | undefined
}

/** The settings that the server reports. An older server may leave out any of them. */
export type Told =
  & {
    readonly [
      K in
        | "activePermissionProfile"
        | "approvalPolicy"
        | "approvalsReviewer"
        | "cwd"
        | "model"
        | "modelProvider"
        | "reasoningEffort"
        | "runtimeWorkspaceRoots"
        | "sandbox"
        | "serviceTier"
    ]?: Received.ThreadResumeResponse[K] | undefined
  }
  & {
    /** The environments that commands run in, the primary one first. */
    readonly environments?: ReadonlyArray<Received.ThreadEnvironment> | undefined
    /** The collaboration mode. A reply does not name it for a new thread, which has the default mode. */
    readonly mode?: string | undefined
  }

/** The settings of a reply that fit the protocol, each checked by itself. The rest is left out. */
export const toldOf = (reply: Members): Told => parts(Received.ThreadStartResponse, reply)

type Update = Omit<Sent.ThreadSettingsUpdateParams, "threadId">

interface Difference {
  readonly setting: string
  readonly asked: string
  readonly holds: string
  readonly isTold: boolean
  /** The params that change the setting. Undefined for a setting that a loaded thread keeps. */
  readonly update: Update | undefined
}

const show = (value: unknown): string => Predicate.isString(value) ? value : JSON.stringify(value) ?? "nothing"

const strings = (u: unknown): ReadonlyArray<string> => Array.isArray(u) ? u.filter(Predicate.isString) : []

const member = (u: unknown, key: string): unknown => Predicate.isObject(u) ? Reflect.get(u, key) : undefined

/** `[sandbox_workspace_write]` of a configuration. Its keys may be nested or dotted. */
export const workspaceWriteOf = (config: unknown): { readonly [key: string]: unknown } => {
  const nested = member(config, "sandbox_workspace_write")
  const prefix = "sandbox_workspace_write."
  const dotted = Predicate.isObject(config)
    ? Object.entries(config).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : []
    )
    : []
  return { ...Predicate.isObject(nested) ? nested : {}, ...Object.fromEntries(dotted) }
}

/** `Sandbox.workspaceWrite` takes details from the configuration. Every other sandbox is complete in itself. */
const policyOf = ({ isCustom, policy }: Sandbox, details: Asked["details"]): Sent.SandboxPolicy =>
  isCustom || policy.type !== "workspaceWrite" ? policy : {
    ...policy,
    writableRoots: [...policy.writableRoots ?? [], ...strings(member(details, "writable_roots"))],
    networkAccess: policy.networkAccess === true || member(details, "network_access") === true,
    excludeTmpdirEnvVar: policy.excludeTmpdirEnvVar === true || member(details, "exclude_tmpdir_env_var") === true,
    excludeSlashTmp: policy.excludeSlashTmp === true || member(details, "exclude_slash_tmp") === true
  }

/**
 * - `fresh`: this request loaded the thread, so it applied the sandbox mode as configured.
 * - `loaded`: the thread may have been loaded before.
 * - `changed`: the thread was changed since, and took a relative folder as it was given.
 * - `sent`: this client has just changed the thread, and read it back right after.
 */
type When = "fresh" | "loaded" | "changed" | "sent"

const workspaceOf = ({ cwd, runtimeWorkspaceRoots }: Told): ReadonlyArray<string> => [
  ...strings(runtimeWorkspaceRoots),
  ...Predicate.isString(cwd) ? [cwd] : []
]

type WorkspaceWrite = Extract<Sent.SandboxPolicy, { readonly type: "workspaceWrite" }>

/** The writable roots of a thread that nobody asked for. */
const unaskedRoots = (asked: WorkspaceWrite, told: Told): ReadonlyArray<string> => {
  const allowed = [
    ...asked.writableRoots ?? [],
    ...workspaceOf(told),
    ...asked.excludeSlashTmp === true ? [] : ["/tmp"]
  ]
  return strings(member(told.sandbox, "writableRoots")).filter((root) => !containsPath(allowed, root))
}

/**
 * Finds the folder of TMPDIR in a thread's settings right after this client sent it a policy.
 * docs/codex-behaviour.md, "The server spells out the temporary folders where the workspace roots differ from
 * the folder". Another client may also have named a folder, so a folder that contains the workspace is never
 * taken for it.
 */
const temporaryIn = (asked: WorkspaceWrite, told: Told): string | undefined => {
  const [root, ...others] = unaskedRoots(asked, told)
  return root !== undefined && others.length === 0 && asked.excludeTmpdirEnvVar !== true &&
      strings(member(told.sandbox, "writableRoots")).includes("/tmp") &&
      !workspaceOf(told).some((folder) => isWithin(root, folder)) && !isWithin(root, "/")
    ? root
    : undefined
}

/**
 * Whether a policy is the requested one. docs/codex-behaviour.md, "The server adds the workspace to the
 * writable roots".
 */
const isSamePolicy = (
  asked: Sent.SandboxPolicy,
  told: Told,
  when: When,
  temporary: string | undefined
): boolean => {
  const held = told.sandbox
  if (held?.type !== asked.type) return false
  switch (asked.type) {
    case "dangerFullAccess":
      return true
    case "readOnly":
    case "externalSandbox":
      return Predicate.hasProperty(held, "networkAccess") && held.networkAccess === (asked.networkAccess ?? false)
    case "workspaceWrite": {
      const heldRoots = strings(member(held, "writableRoots"))
      const known = when === "sent"
        ? temporaryIn(asked, told)
        : asked.excludeTmpdirEnvVar === true
        ? undefined
        : temporary
      return member(held, "networkAccess") === (asked.networkAccess ?? false) &&
        member(held, "excludeSlashTmp") === (asked.excludeSlashTmp ?? false) &&
        (member(held, "excludeTmpdirEnvVar") === true || asked.excludeTmpdirEnvVar !== true) &&
        unaskedRoots(asked, told).every((root) => known !== undefined && samePath(known, root)) &&
        (asked.writableRoots ?? []).every((root) => containsPath([...heldRoots, ...workspaceOf(told)], root))
    }
  }
}

/** Whether the server may list the folder of TMPDIR among the writable roots of a thread. */
export const namesTemporary = (sandbox: Sandbox | undefined, { cwd, runtimeWorkspaceRoots }: Told): boolean =>
  sandbox?.policy.type === "workspaceWrite" && sandbox.policy.excludeTmpdirEnvVar !== true &&
  runtimeWorkspaceRoots !== undefined && runtimeWorkspaceRoots.some((root) => root !== cwd)

/** The folder of TMPDIR on the server, from a thread's settings right after this client sent it a sandbox. */
export const temporaryOf = ({ policy }: Sandbox, told: Told): string | undefined =>
  policy.type === "workspaceWrite" ? temporaryIn(policy, told) : undefined

/** A configured profile may allow more than the policy reported beside it. */
export const isBuiltIn = (profile: Told["activePermissionProfile"]): boolean =>
  profile === undefined || profile === null || profile.id.startsWith(":")

const reviewer = (name: string | undefined) => name === "guardian_subagent" ? "auto_review" : name

/** A granular policy is an object, whose members a server may list in any order. */
const samePolicy = (asked: Sent.AskForApproval, held: Told["approvalPolicy"]): boolean => {
  const kinds = member(held, "granular")
  return Predicate.isString(asked)
    ? held === asked
    : Object.entries(asked.granular).every(([kind, mayAsk]) => member(kinds, kind) === mayAsk)
}

const tier = (name: string | null | undefined) => name === "fast" ? "priority" : name

export const effortSetting = "config.model_reasoning_effort"

const differences = (asked: Asked, told: Told, when: When): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  const compare = <A>(
    setting: string,
    wanted: A | undefined,
    held: unknown,
    isSame: (wanted: A) => boolean,
    update?: (wanted: A) => Update,
    text: (wanted: A) => string = show
  ) => {
    if (wanted === undefined) return
    const isTold = held !== undefined
    if (isTold && isSame(wanted)) return
    found.push({
      setting,
      asked: text(wanted),
      holds: isTold ? show(held) : "a value that the server does not report",
      isTold,
      update: update?.(wanted)
    })
  }

  compare(
    "sandbox",
    asked.sandbox,
    told.sandbox,
    (sandbox) =>
      isBuiltIn(told.activePermissionProfile) &&
      (when === "fresh"
        ? told.sandbox?.type === sandbox.policy.type
        : isSamePolicy(policyOf(sandbox, asked.details), told, when, asked.temporary)),
    (sandbox) => ({ sandboxPolicy: policyOf(sandbox, asked.details) }),
    (sandbox) => when === "fresh" ? sandbox.mode : show(policyOf(sandbox, asked.details))
  )
  compare(
    "permissions",
    asked.permissions,
    told.activePermissionProfile,
    (id) => told.activePermissionProfile?.id === id,
    (permissions) => ({ permissions })
  )
  const { approvalPolicy, approvalsReviewer } = asked
  compare(
    "approvalMode",
    approvalPolicy,
    told.approvalPolicy,
    (policy) => samePolicy(policy, told.approvalPolicy),
    (approvalPolicy) => defined({ approvalPolicy, approvalsReviewer })
  )
  compare(
    "approvalMode",
    approvalsReviewer,
    told.approvalsReviewer,
    (name) => reviewer(told.approvalsReviewer) === reviewer(name),
    (approvalsReviewer) => ({ approvalsReviewer }),
    (name) => `${name} to review`
  )
  compare(
    "cwd",
    asked.cwd,
    told.cwd,
    (cwd) => told.cwd !== undefined && (isRelative(cwd) ? when !== "loaded" : samePath(cwd, told.cwd)),
    (cwd) => ({ cwd })
  )
  compare("runtimeWorkspaceRoots", asked.runtimeWorkspaceRoots, told.runtimeWorkspaceRoots, (roots) => {
    const held = strings(told.runtimeWorkspaceRoots)
    const allowed = [...roots, ...strings(member(asked.details, "writable_roots"))]
    return roots.every((root) => isRelative(root) || containsPath(held, root)) &&
      (when === "fresh" || held.every((root) => containsPath(allowed, root)))
  })
  compare("model", asked.model, told.model, (model) => told.model === model, (model) => ({ model }))
  compare("modelProvider", asked.modelProvider, told.modelProvider, (provider) => told.modelProvider === provider)
  compare(
    "serviceTier",
    asked.serviceTier,
    told.serviceTier,
    (name) => tier(told.serviceTier) === tier(name),
    (serviceTier) => ({ serviceTier })
  )
  compare(
    effortSetting,
    asked.effort,
    told.reasoningEffort,
    (effort) => told.reasoningEffort === effort,
    (effort) => ({ effort })
  )
  return found
}

const stronger = "omething stronger decides, such as the server's requirements: ask for what holds, or change the " +
  "configuration."

/** Nobody else knows a thread that was just created, so nobody else can be changing it. */
const adviceFor = ({ update }: Difference, when: When): string =>
  update === undefined
    ? "A loaded thread keeps this: leave the setting out, unsubscribe all clients and resume it once it is unloaded, or " +
      "start or fork a thread."
    : when === "fresh"
    ? `S${stronger}`
    : `Either another client is changing the thread: try again. Or s${stronger}`

const failed = (
  threadId: string,
  wrong: ReadonlyArray<Difference>,
  advice: (one: Difference) => string
) =>
  new SettingsNotApplied({
    threadId,
    settings: wrong.map((one) => ({
      setting: one.setting,
      asked: one.asked,
      holds: one.holds,
      advice: advice(one)
    }))
  })

/**
 * Why a turn does not run with the requested settings, judged by the thread's reported settings when the turn
 * began.
 */
export const notHeld = (
  threadId: string,
  asked: Asked,
  told: Told | undefined,
  options: {
    /** Whether a setting that the server did not report counts as not applied. */
    readonly untold: boolean
    readonly advice: string
  }
): SettingsNotApplied | undefined => {
  const wrong = differences(asked, told ?? {}, "changed").filter(({ isTold }) => isTold || options.untold)
  return wrong.length === 0 ? undefined : failed(threadId, wrong, () => options.advice)
}

/**
 * The sandbox to send with each turn: the one that the server reports, if the configuration supplied details.
 * Leaves out the workspace, which may change and which the server adds itself.
 */
export const heldSandbox = (sandbox: Sandbox, { cwd, runtimeWorkspaceRoots, sandbox: held }: Told): Sandbox => {
  const { policy } = sandbox
  if (sandbox.isCustom || policy.type !== "workspaceWrite" || held?.type !== "workspaceWrite") return sandbox
  const roots = strings(member(held, "writableRoots"))
  const workspace = [...strings(runtimeWorkspaceRoots), ...cwd === undefined ? [] : [cwd], "/tmp"]
  return {
    ...sandbox,
    policy: {
      ...policy,
      writableRoots: roots.filter((root) => !containsPath(workspace, root)),
      networkAccess: member(held, "networkAccess") === true,
      excludeTmpdirEnvVar: member(held, "excludeTmpdirEnvVar") === true && !roots.includes("/tmp"),
      excludeSlashTmp: member(held, "excludeSlashTmp") === true
    }
  }
}

/** What the server's configuration adds to a sandbox. */
const configured = (rpc: Rpc, cwd: string | undefined) =>
  rpc.request("config/read", defined({ cwd }), { timeout: "2 seconds" }).pipe(
    using(rpc, "config/read", ({ config }) => workspaceWriteOf(config)),
    Effect.orElseSucceed((): { readonly [key: string]: unknown } => ({}))
  )

const isSafety = ({ setting }: Difference): boolean =>
  setting === "sandbox" || setting === "permissions" || setting === "approvalMode"

const withoutSafety: Asked = {
  sandbox: undefined,
  permissions: undefined,
  approvalPolicy: undefined,
  approvalsReviewer: undefined
}

/** Changes what differs and reads it again. Tries once more if another client may have changed it in between. */
const apply = Effect.fnUntraced(function*(
  rpc: Rpc,
  threadId: string,
  asked: Asked,
  told: Told,
  when: When
): Effect.fn.Return<Told, ResumeError> {
  const wrong = differences(asked, told, when)
  const advice = (one: Difference) => adviceFor(one, when)
  const update: Update = {}
  for (const difference of wrong) Object.assign(update, difference.update)
  if (Object.keys(update).length === 0) return told
  yield* call(rpc, "thread/settings/update", { threadId, ...update }).pipe(
    Effect.catchTag(
      "RpcError",
      (error): Effect.Effect<never, RpcError | SettingsNotApplied> =>
        Effect.fail(error.reason === "methodNotFound" ? failed(threadId, wrong, advice) : error)
    )
  )
  // A thread without a turn has nothing stored, and an ephemeral thread is never stored: neither can be read
  // like this.
  const now = yield* rpc.request("thread/resume", { threadId, excludeTurns: true }).pipe(
    using(rpc, "thread/resume", toldOf),
    Effect.catchTag("ThreadNotPersisted", () => Effect.succeed(undefined))
  )
  const still = now === undefined ? wrong : differences(asked, now, "sent")
  const isWrong = still.filter(({ isTold }) => isTold)
  if (isWrong.length > 0) {
    return yield* now === undefined || when !== "loaded" || isWrong.some(({ update }) => update === undefined)
      ? failed(threadId, isWrong, advice)
      : apply(rpc, threadId, asked, now, "sent")
  }
  // Returns what was sent, not what another client may have changed since.
  return { ...now ?? told, ...defined({ sandbox: update.sandboxPolicy ?? undefined }) }
})

/** Compares, changes what differs and reads it again. Returns the settings that the thread has now. */
export const ensure = Effect.fnUntraced(function*(
  rpc: Rpc,
  threadId: string,
  asking: Asked,
  told: Told,
  when: "fresh" | "loaded"
): Effect.fn.Return<Told, ResumeError> {
  let asked = asking
  let wrong = differences(asked, told, when)
  if (wrong.some(({ isTold, setting }) => isTold && (setting === "sandbox" || setting === "runtimeWorkspaceRoots"))) {
    asked = { ...asked, details: { ...yield* configured(rpc, told.cwd), ...asked.details } }
    wrong = differences(asked, told, when)
  }
  const fixed = wrong.filter(({ isTold, update }) => isTold && update === undefined)
  if (fixed.length > 0) return yield* failed(threadId, fixed, (one) => adviceFor(one, when))
  // A change that fails must not have loosened anything, so the safety settings come last.
  const isMixed = wrong.some(isSafety) && wrong.some((one) => one.isTold && !isSafety(one))
  const before = isMixed ? yield* apply(rpc, threadId, { ...asked, ...withoutSafety }, told, when) : told
  return yield* apply(rpc, threadId, asked, before, when)
})
