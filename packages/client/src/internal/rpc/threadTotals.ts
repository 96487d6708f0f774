/** The total of tokens that each thread has used, as last reported by the server. */
import { membersOf } from "../protocol/peek.ts"

export interface ThreadTotals {
  readonly of: (threadId: string) => number | undefined
  /** Takes in `thread/tokenUsage/updated`. */
  readonly updated: (threadId: string, tokenUsage: unknown) => void
  readonly closed: (threadId: string) => void
}

// Far beyond the threads loaded at once. Bounds memory against a misbehaving server.
const maxThreads = 4096

export const make = (): ThreadTotals => {
  const totals = new Map<string, number>()
  return {
    of: (threadId) => totals.get(threadId),
    updated: (threadId, tokenUsage) => {
      const { totalTokens } = membersOf(membersOf(tokenUsage)["total"])
      if (typeof totalTokens !== "number") return
      totals.delete(threadId)
      totals.set(threadId, totalTokens)
      if (totals.size <= maxThreads) return
      const [oldest] = totals.keys()
      totals.delete(oldest!)
    },
    closed: (threadId) => void totals.delete(threadId)
  }
}
