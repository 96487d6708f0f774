/** The list of a view does what an array does. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { List } from "../../src/internal/view/list.ts"

const Step = Schema.Struct({
  many: Schema.Literals([1, 1, 31, 32, 33, 1_000]),
  at: Schema.Int.check(Schema.isBetween({ minimum: -3, maximum: 40_000 }))
})
const Steps = Arbitrary.array(Arbitrary.schema(Step), { minLength: 1, maxLength: 40 })

describe("a list", () => {
  it.effect.prop(
    "has what was added and replaced, and leaves the lists before it alone",
    [Steps],
    ([steps]) =>
      Effect.sync(() => {
        let list: List<number> = List.empty
        const array: Array<number> = []
        for (const { at, many } of steps) {
          const before = [...list]
          for (let i = 0; i < many; i++) {
            const element = array.length
            list = list.append(element)
            array.push(element)
          }
          const grown = list
          list = list.set(at, -1)
          if (at >= 0 && at < array.length) {
            assert.strictEqual(grown.at(at), array[at])
            array[at] = -1
          } else assert.strictEqual(list, grown)
          assert.deepStrictEqual([...grown].slice(0, before.length), before)
        }
        assert.deepStrictEqual([...list], array)
        assert.deepStrictEqual([...List.from(array)], array)
        assert.deepStrictEqual(
          array.map((_, i) => List.from(array).at(i)).slice(0, 2),
          array.slice(0, 2)
        )
        assert.deepStrictEqual([list.at(-1), list.at(array.length), list.length], [
          array.at(-1),
          undefined,
          array.length
        ])
        assert.deepStrictEqual([...List.from(array).append(7)], [...array, 7])
      })
  )
})
