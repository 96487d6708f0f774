/** Tells the presets of `Sandbox` and `ApprovalMode` from other values that an untyped program may pass. */
import * as Predicate from "effect/Predicate"
import type { ApprovalMode } from "../../ApprovalMode.ts"
import type { Sandbox } from "../../Sandbox.ts"

export const SandboxTypeId = "~@effect-codex/client/Sandbox" as const

export const isSandbox = (u: unknown): u is Sandbox => Predicate.hasProperty(u, SandboxTypeId)

export const ApprovalModeTypeId = "~@effect-codex/client/ApprovalMode" as const

export const isApprovalMode = (u: unknown): u is ApprovalMode => Predicate.hasProperty(u, ApprovalModeTypeId)
