/** The model that the turns of each thread ask, from what the server tells. */
import * as Predicate from "effect/Predicate"

export interface ThreadModels {
  readonly of: (threadId: string) => string | undefined
  /** Takes in `thread/started` or `thread/settings/updated`. */
  readonly updated: (threadId: string, params: unknown) => void
  /** Takes in the reply to a request of {@link isTold}. */
  readonly replied: (result: unknown) => void
  readonly closed: (threadId: string) => void
}

const told: ReadonlySet<string> = new Set(["thread/start", "thread/resume", "thread/fork"])

/** Whether the reply to a request tells the model of a thread. */
export const isTold = (method: string): boolean => told.has(method)

// Far beyond the threads that are loaded at once. A server that starts more must not fill the memory.
const maxThreads = 4096

const at = (u: unknown, key: string): unknown => Predicate.hasProperty(u, key) ? u[key] : undefined

export const make = (): ThreadModels => {
  const models = new Map<string, string>()
  const set = (threadId: unknown, model: unknown): void => {
    if (!Predicate.isString(threadId) || !Predicate.isString(model)) return
    models.delete(threadId)
    models.set(threadId, model)
    if (models.size <= maxThreads) return
    const [oldest] = models.keys()
    models.delete(oldest!)
  }
  return {
    of: (threadId) => models.get(threadId),
    updated: (threadId, params) => set(threadId, at(at(params, "threadSettings") ?? at(params, "thread"), "model")),
    replied: (result) => set(at(at(result, "thread"), "id"), at(result, "model")),
    closed: (threadId) => void models.delete(threadId)
  }
}
