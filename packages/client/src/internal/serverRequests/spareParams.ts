/**
 * The params of server requests that a handler can do without. If only these do not fit, the request is not refused.
 *
 * All other params must fit: those that identify the request, and those that decide what an answer grants. A handler
 * that did not see `additionalPermissions` would accept more than it knows.
 */
import type { Lazy } from "@effect-codex/protocol/Lazy"
import type { ServerRequests } from "@effect-codex/protocol/Methods"
import { fittingWithout } from "../protocol/guard.ts"
import type { Members } from "../protocol/peek.ts"

type Protocol = { readonly [M in keyof ServerRequests]: ServerRequests[M]["params"] }

const spare = {
  "item/commandExecution/requestApproval": [
    "startedAtMs",
    "reason",
    "commandActions",
    "proposedExecpolicyAmendment",
    "proposedNetworkPolicyAmendments",
    "availableDecisions"
  ],
  "item/fileChange/requestApproval": ["startedAtMs", "reason"],
  "item/permissions/requestApproval": ["startedAtMs", "reason"],
  "item/tool/requestUserInput": ["isBlocking", "autoResolutionMs"],
  applyPatchApproval: ["reason"],
  execCommandApproval: ["reason", "parsedCmd"]
} as const satisfies { readonly [M in keyof Protocol]?: ReadonlyArray<keyof Protocol[M]> }

type Spare = typeof spare

/** The params that a handler gets: those that it can do without may be missing. */
export type ParamsOf<M extends keyof Protocol> = M extends keyof Spare ? Sparing<Protocol[M], Spare[M][number]>
  : Protocol[M]

type Sparing<P, K> = Omit<P, K & keyof P> & Partial<Pick<P, K & keyof P>>

const spareKeys: ReadonlyMap<string, ReadonlyArray<string>> = new Map(Object.entries(spare))

/** Removes dispensable params that do not fit. Undefined if the request must be refused. */
export const sparing = (
  method: string,
  schema: Lazy<unknown>,
  params: unknown
): { readonly params: Members; readonly undecodable: Members } | undefined => {
  const keys = spareKeys.get(method)
  if (keys === undefined) return undefined
  const found = fittingWithout(schema, params, keys)
  return found === undefined ? undefined : { params: found.value, undecodable: found.left }
}
