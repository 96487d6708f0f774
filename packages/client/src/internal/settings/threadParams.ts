/** Converts the options of threads to protocol params. Options that were not set are not sent. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { ThreadSettings } from "../../Codex.ts"
import { InvalidArgument } from "../../CodexError.ts"
import type { Sandbox } from "../../Sandbox.ts"
import type { UpdateSettingsOptions } from "../../Thread.ts"
import * as Held from "./heldSettings.ts"
import { allSent, defined, permissions } from "./settings.ts"
import * as Untold from "./untoldSettings.ts"

/** The server refuses the combination as well; this refuses it before anything is sent. */
const oneOf = (profile: string | undefined, sandbox: Sandbox | undefined): Effect.Effect<void, InvalidArgument> =>
  profile === undefined || sandbox === undefined
    ? Effect.void
    : new InvalidArgument({
      argument: "permissions",
      detail: "a permissions profile defines the sandbox: leave `sandbox` and ApprovalMode.dangerouslyBypass out."
    })

/**
 * What is requested of a thread: the request's params, the part of them that the reply reports, and the part
 * that it does not.
 */
export const threadParams = Effect.fnUntraced(function*(options: ThreadSettings) {
  const { approvalPolicy, approvalsReviewer, sandbox } = yield* permissions(options)
  yield* oneOf(options.permissions, sandbox)
  const {
    approvalMode: _approvalMode,
    baseInstructions,
    budget: _budget,
    config,
    cwd,
    developerInstructions,
    handlers: _handlers,
    // It is in `config` already.
    mcpServers: _mcpServers,
    model,
    modelProvider,
    permissions: profile,
    runtimeWorkspaceRoots,
    sandbox: _sandbox,
    serviceTier,
    stallTimeout: _stallTimeout,
    tools: _tools,
    ...rest
  } = options
  allSent(rest)
  const told = defined({
    approvalPolicy,
    approvalsReviewer,
    cwd,
    runtimeWorkspaceRoots,
    model,
    modelProvider,
    permissions: profile,
    serviceTier
  })
  const effort = config?.model_reasoning_effort
  const asked: Held.Asked = {
    ...told,
    sandbox,
    effort: Predicate.isString(effort) ? effort : undefined,
    details: Held.workspaceWriteOf(config)
  }
  const params = { ...told, ...defined({ sandbox: sandbox?.mode, baseInstructions, config, developerInstructions }) }
  return { asked, params, untold: Untold.of(options) }
})

/** The params of `thread/settings/update`. */
export const updateParams = Effect.fnUntraced(function*(options: UpdateSettingsOptions) {
  const { approvalPolicy, approvalsReviewer, sandbox } = yield* permissions(options)
  yield* oneOf(options.permissions, sandbox)
  const {
    approvalMode: _approvalMode,
    cwd,
    effort,
    environments,
    model,
    permissions: profile,
    sandbox: _sandbox,
    serviceTier,
    summary,
    ...rest
  } = options
  allSent(rest)
  return defined({
    approvalPolicy,
    approvalsReviewer,
    sandboxPolicy: sandbox?.policy,
    permissions: profile,
    cwd,
    effort,
    environments,
    model,
    serviceTier,
    summary
  })
})
