/** Converts the settings of threads and turns to protocol params. Settings that were not set are not sent. */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ApprovalMode } from "../../ApprovalMode.ts"
import { InvalidArgument } from "../../CodexError.ts"
import { fullAccess, type Sandbox } from "../../Sandbox.ts"
import type { TurnOptions } from "../../Thread.ts"
import type { SteerOptions } from "../../Turn.ts"
import { isApprovalMode, isSandbox } from "./presets.ts"

/** An object without its undefined members. */
export const defined = <A extends object>(members: A): { [K in keyof A]: Exclude<A[K], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof A]: Exclude<A[K], undefined>
  }

/** Checks a duration, which an untyped program may have got wrong. */
export const duration = (
  argument: string,
  input: Duration.Input | undefined
): Effect.Effect<Duration.Duration | undefined, InvalidArgument> => {
  if (input === undefined) return Effect.undefined
  const known = Duration.fromInput(input)
  return Option.isSome(known)
    ? Effect.succeed(known.value)
    : new InvalidArgument({ argument, detail: "expected a duration, such as \"5 minutes\" or milliseconds." })
}

interface Permissions {
  readonly sandbox?: Sandbox | undefined
  readonly approvalMode?: ApprovalMode | undefined
}

/** Checks what an untyped program may get wrong. */
export const permissions = Effect.fnUntraced(function*(options: Permissions) {
  const { approvalMode, sandbox } = options
  if (sandbox !== undefined && !isSandbox(sandbox)) {
    return yield* new InvalidArgument({
      argument: "sandbox",
      detail:
        "expected Sandbox.readOnly, Sandbox.workspaceWrite, Sandbox.workspaceWriteWith({...}) or Sandbox.fullAccess."
    })
  }
  if (approvalMode !== undefined && !isApprovalMode(approvalMode)) {
    return yield* new InvalidArgument({
      argument: "approvalMode",
      detail: "expected ApprovalMode.denyAll, autoReview, ask, untrusted, granular({...}) or dangerouslyBypass."
    })
  }
  if (approvalMode?.bypassesSandbox === true && sandbox !== undefined) {
    return yield* new InvalidArgument({
      argument: "sandbox",
      detail: "ApprovalMode.dangerouslyBypass stands for no sandbox: leave `sandbox` out."
    })
  }
  return {
    sandbox: approvalMode?.bypassesSandbox === true ? fullAccess : sandbox,
    approvalPolicy: approvalMode?.policy,
    approvalsReviewer: approvalMode?.reviewer
  }
})

/**
 * Does not compile if an option is left over. Destructure each option, either to send it or, with a leading
 * underscore, to keep it here. The linter reports options that are destructured and not used.
 */
export const allSent = (_rest: { readonly [option: string]: never }): void => {}

export const turnSettings = Effect.fnUntraced(function*(
  options: TurnOptions
): Effect.fn.Return<Omit<Sent.TurnStartParams, "threadId" | "input">, InvalidArgument> {
  const { approvalPolicy, approvalsReviewer, sandbox } = yield* permissions(options)
  const {
    additionalContext,
    approvalMode: _approvalMode,
    budget: _budget,
    cwd,
    cyberAccessProgram,
    effort,
    environments,
    handlers: _handlers,
    maxUnreadBytes: _maxUnreadBytes,
    messageId: _messageId,
    metadata,
    mode: _mode,
    model,
    outputSchema,
    sandbox: _sandbox,
    serviceTier,
    serviceTierForTurn,
    source,
    stallTimeout: _stallTimeout,
    summary,
    whenBusy: _whenBusy,
    ...rest
  } = options
  allSent(rest)
  return defined({
    approvalPolicy,
    approvalsReviewer,
    additionalContext,
    cyberAccessProgram,
    environments,
    responsesapiClientMetadata: metadata,
    sandboxPolicy: sandbox?.policy,
    cwd,
    effort,
    model,
    outputSchema,
    serviceTier,
    serviceTierForTurn,
    summary,
    turnTrigger: source
  })
})

export const steerSettings = (
  options: SteerOptions
): Omit<Sent.TurnSteerParams, "threadId" | "expectedTurnId" | "input"> => {
  const { additionalContext, messageId, metadata, ...rest } = options
  allSent(rest)
  // What the running turn carries stays.
  return defined({ additionalContext, clientUserMessageId: messageId, responsesapiClientMetadataPatch: metadata })
}
