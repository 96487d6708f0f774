import { assert, describe, it } from "vitest"
import { again, begin } from "../src/children/allocations.ts"

// Outside of the function, so that V8 cannot leave the objects out.
let kept: ReadonlyArray<number> | undefined

const allocate = (count: number): void => {
  for (let n = 0; n < count; n++) kept = Array.from<number>({ length: 64 }).fill(n)
}

describe("allocations", () => {
  it("are the same for each object, however many collections there are", () => {
    const perObject = [20_000, 200_000].map((count) => {
      const end = begin()
      allocate(count)
      const { allocatedBytes, collections } = end()
      return { bytes: allocatedBytes! / count, collections: collections! }
    })
    assert.lengthOf(kept!, 64)
    const [few, many] = perObject
    assert.isAbove(few!.bytes, 64 * 4)
    assert.closeTo(many!.bytes / few!.bytes, 1, 0.15)
    assert.isAbove(many!.collections, few!.collections)
  })

  it("count from the last beginning", () => {
    const first = begin()
    allocate(100_000)
    const end = again(first)
    allocate(1000)
    assert.isBelow(end().allocatedBytes!, 5_000_000)
  })
})
