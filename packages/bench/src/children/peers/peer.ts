/** What every peer of the part `peers` can do. */

export interface Work {
  readonly executable: string
  readonly threads: number
  /** On each thread, one after another. */
  readonly turns: number
  readonly prompt: string
}

export interface Peer {
  /**
   * Gives the answers of all turns. A peer that ends its codex afterwards calls `onAnswers` before, because others end
   * theirs with each turn.
   */
  readonly run: (work: Work, onAnswers: () => void) => Promise<ReadonlyArray<string>>
  /** Runs one turn. Calls `onText` when the first text of the answer is there. */
  readonly stream: (work: Work, onText: () => void) => Promise<void>
}

/** Does the same on all threads at once. */
export const onThreads = async (
  { threads }: Work,
  onThread: () => Promise<ReadonlyArray<string>>
): Promise<ReadonlyArray<string>> => (await Promise.all(Array.from({ length: threads }, onThread))).flat()
