/** The wanted positions in the same order, moved as little as possible to be `gap` apart and at most `end`. */
export const apart = (wanted: ReadonlyArray<number>, gap: number, end: number): ReadonlyArray<number> => {
  const order = wanted.map((_, i) => i).toSorted((a, b) => wanted[a]! - wanted[b]!)
  const placed = [...wanted]
  let before = Number.NEGATIVE_INFINITY
  for (const i of order) before = placed[i] = Math.max(wanted[i]!, before + gap)
  let after = end + gap
  for (const i of order.toReversed()) after = placed[i] = Math.min(placed[i]!, after - gap)
  return placed
}
