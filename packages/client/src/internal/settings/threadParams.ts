/** The options of threads as the protocol has them. What was not given is not sent. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { ThreadSettings } from "../../Codex.ts"
import { InvalidArgument } from "../../CodexError.ts"
import type { Sandbox } from "../../Sandbox.ts"
import type { UpdateSettingsOptions } from "../../Thread.ts"
import * as Held from "./heldSettings.ts"
import { allSent, defined, permissions } from "./settings.ts"
import * as Untold from "./untoldSettings.ts"

/** The server refuses both too; a program learns it here before anything is sent. */
const oneOf = (profile: string | undefined, sandbox: Sandbox | undefined): Effect.Effect<void, InvalidArgument> =>
  profile === undefined || sandbox === undefined
    ? Effect.void
    : new InvalidArgument({
      argument: "permissions",
      detail: "a permissions profile says what the sandbox is: leave `sandbox` and ApprovalMode.dangerouslyBypass out."
    })

/** What a thread is asked for: the request's params, and what of them the reply tells and does not tell. */
export const threadParams = Effect.fnUntraced(function*(options: ThreadSettings) {
  const { approvalPolicy, approvalsReviewer, sandbox } = yield* permissions(options)
  yield* oneOf(options.permissions, sandbox)
  const {
    approvalMode: _approvalMode,
    baseInstructions,
    config,
    cwd,
    developerInstructions,
    handlers: _handlers,
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

/** For `thread/settings/update`. */
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
