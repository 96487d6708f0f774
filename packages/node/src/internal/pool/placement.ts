/** Decides which process of a pool gets a thread. */
import type { Slot } from "./slot.ts"

type Candidate = Pick<Slot, "index" | "isDraining" | "load" | "state">

/** The lower the better, the first number first. */
const rank = ({ index, isDraining, load: { active, loaded }, state }: Candidate): ReadonlyArray<number> => [
  // A process that is being restored may still take a while. One that is draining works until it is replaced.
  state === "up" ? isDraining ? 1 : 0 : state === "restoring" ? 2 : 3,
  active,
  loaded,
  index
]

const isBetter = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): boolean => {
  const i = a.findIndex((value, i) => value !== b[i])
  return i >= 0 && a[i]! < b[i]!
}

/** The process with the least to do. */
export const leastBusy = <A extends Candidate>(slots: readonly [A, ...ReadonlyArray<A>]): A => {
  let [best] = slots
  let lowest = rank(best)
  for (const slot of slots.slice(1)) {
    const own = rank(slot)
    if (isBetter(own, lowest)) [best, lowest] = [slot, own]
  }
  return best
}
