/** The names that a run of a workflow has used: a second step of one name would get the first one's stored result. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { WorkflowInstance } from "effect/workflow/WorkflowEngine"

/** By the scope, which each run has for itself, whereas a race copies the instance. */
const used = new WeakMap<Scope.Scope, Map<string, string | undefined>>()

/** Whether the name is free, or has the same use. Without a use, each one is another one. */
export const claim = (name: string, use?: string): Effect.Effect<boolean, never, WorkflowInstance> =>
  Effect.map(WorkflowInstance, ({ scope }) => {
    const names = used.get(scope) ?? new Map<string, string | undefined>()
    used.set(scope, names)
    if (names.has(name)) return use !== undefined && names.get(name) === use
    names.set(name, use)
    return true
  })
