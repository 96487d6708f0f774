/** Looks into frames that nobody has checked: the ids by which they are routed. */

/** The thread that a notification or a request belongs to. */
export const threadIdOf = (params: unknown): string | undefined => {
  if (typeof params !== "object" || params === null) return undefined
  const { threadId } = params as { readonly threadId?: unknown }
  if (typeof threadId === "string") return threadId
  const { thread } = params as { readonly thread?: unknown }
  if (typeof thread !== "object" || thread === null) return undefined
  const { id } = thread as { readonly id?: unknown }
  return typeof id === "string" ? id : undefined
}
