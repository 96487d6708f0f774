/** Names for the parts of a page. The ids of codex come from others, so these are numbers. */

export class Places {
  private readonly known = new Map<string, string>()

  private place(prefix: string, key: string): string {
    const known = this.known.get(`${prefix} ${key}`)
    if (known !== undefined) return known
    const made = `${prefix}${this.known.size + 1}`
    this.known.set(`${prefix} ${key}`, made)
    return made
  }

  turn(threadId: string, turnId: string): string {
    return this.place("turn-", JSON.stringify([threadId, turnId]))
  }

  item(threadId: string, turnId: string, itemId: string): string {
    return this.place("item-", JSON.stringify([threadId, turnId, itemId]))
  }

  agent(threadId: string): string {
    return this.place("agent-", threadId)
  }
}
