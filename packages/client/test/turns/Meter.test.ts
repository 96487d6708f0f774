/** The accounts of budgets, without a server. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Ledger, type Limits } from "../../src/internal/ledger.ts"
import { Meter, Strand } from "../../src/internal/turns/meter.ts"

const started = (...ledgers: ReadonlyArray<Ledger>) => {
  const meter = new Meter(ledgers)
  assert.isTrue(meter.reserve())
  const strand = new Strand()
  meter.update(strand)
  return {
    meter,
    strand,
    call: (tokens = 1, cost: number | undefined = 0) => {
      strand.onCall(tokens, cost, "a-model")
      meter.update(strand)
    },
    tool: () => {
      strand.onItem("commandExecution")
      meter.update(strand)
    },
    goesOn: () => {
      strand.goesOn()
      meter.update(strand)
    },
    subagent: () => {
      const own = new Strand()
      meter.update(own)
      return own
    }
  }
}

const spentOf = ({ cost, modelCalls, reserved, tokens }: Ledger) => ({ modelCalls, tokens, cost, reserved })

describe("a turn", () => {
  it("that may be complete with its last call is not cut, and gives back nothing that it does not have", () => {
    const ledger = new Ledger({ modelCalls: 1 })
    const { call, meter } = started(ledger)
    call(7, 0.5)
    assert.isUndefined(meter.cut)
    assert.deepStrictEqual(spentOf(ledger), { modelCalls: 1, tokens: 7, cost: 0.5, reserved: 0 })
    meter.end()
    assert.deepStrictEqual(spentOf(ledger), { modelCalls: 1, tokens: 7, cost: 0.5, reserved: 0 })
  })

  it("that goes on after its last call is cut: by a tool of the call at once, else by what shows it", () => {
    const ledger = new Ledger({ modelCalls: 1 })
    const { call, meter, tool } = started(ledger)
    tool()
    assert.isUndefined(meter.cut)
    call()
    assert.deepStrictEqual(meter.cut, { _tag: "UsedUp", ledger, limit: "modelCalls" })
    const other = started(new Ledger({ modelCalls: 1 }))
    other.call()
    other.goesOn()
    assert.strictEqual(other.meter.cut?._tag, "UsedUp")
  })

  it("that does not say in time that it is complete is cut, and one that became doubtful later is not", () => {
    const ledger = new Ledger({ tokens: 2 })
    const one = started(ledger)
    const other = started(ledger)
    one.call(2)
    const doubts = one.meter.takeDoubts() ?? assert.fail("no doubt")
    assert.strictEqual(other.meter.cut?._tag, "UsedUp")
    const late = one.subagent()
    assert.strictEqual(one.meter.cut?._tag, "UsedUp")
    assert.isUndefined(other.meter.takeDoubts())
    late.isOver = true
    one.meter.endDoubts(doubts)
    assert.deepStrictEqual(one.meter.cut, { _tag: "UsedUp", ledger, limit: "tokens" })
  })

  it("that makes another call while it has time to be complete is cut", () => {
    const ledger = new Ledger({ modelCalls: 1 })
    const { call, meter } = started(ledger)
    call()
    assert.isUndefined(meter.cut)
    call()
    assert.deepStrictEqual(meter.cut, { _tag: "UsedUp", ledger, limit: "modelCalls" })
  })

  it("in a call goes on to its end when others use up the calls, and is cut when they use up tokens or money", () => {
    for (
      const [limits, isCut] of [[{ modelCalls: 2 }, false], [{ tokens: 5 }, true], [{ cost: 0.8 }, true]] as const
    ) {
      const ledger = new Ledger(limits)
      const one = started(ledger)
      const other = started(ledger)
      one.call(5, 0.7)
      one.call(0, 0.1)
      assert.strictEqual(other.meter.cut !== undefined, isCut, JSON.stringify(limits))
    }
  })

  it("counts what it spent before it was known to be the turn, and what it spends from now on where it is joined", () => {
    const strand = new Strand()
    strand.onCall(3, 1, "a-model")
    const ledger = new Ledger({})
    const meter = new Meter([ledger])
    assert.isTrue(meter.reserve())
    meter.update(strand)
    assert.deepStrictEqual(spentOf(ledger), { modelCalls: 1, tokens: 3, cost: 1, reserved: 1 })
    const joined = new Ledger({})
    const also = new Meter([joined])
    also.join(strand)
    strand.onCall(4, 1, "a-model")
    also.update(strand)
    also.update(strand)
    assert.deepStrictEqual(spentOf(joined), { modelCalls: 1, tokens: 4, cost: 1, reserved: 1 })
  })

  it("of a model without a price is cut where money is limited, and nowhere else", () => {
    for (const limits of [{ cost: 5 }, { tokens: 5 }]) {
      const ledger = new Ledger(limits)
      const { meter, strand } = started(ledger)
      strand.onCall(1, undefined, "strange")
      meter.update(strand)
      const expected = "cost" in limits ? { _tag: "Unpriced" as const, model: "strange" } : undefined
      assert.deepStrictEqual(meter.cut, expected)
      assert.isTrue(ledger.isUnpriced)
    }
  })

  it("counts towards each of its budgets, and the tightest one limits it", () => {
    const wide = new Ledger({ modelCalls: 10 })
    const tight = new Ledger({ modelCalls: 1 })
    const { call, meter, tool } = started(wide, tight)
    tool()
    call()
    assert.deepStrictEqual(meter.cut, { _tag: "UsedUp", ledger: tight, limit: "modelCalls" })
    meter.end()
    assert.deepStrictEqual([wide, tight].map(({ modelCalls, reserved }) => [modelCalls, reserved]), [[1, 0], [1, 0]])
  })
})

describe("a start", () => {
  it("waits for a call that another turn holds, and is refused once that call was certainly made", () => {
    const ledger = new Ledger({ modelCalls: 1 })
    const holder = started(ledger)
    const meter = new Meter([ledger])
    const isRefused = () => meter.refusal !== undefined
    assert.isFalse(meter.reserve())
    assert.isFalse(isRefused())
    // A turn that a tool of the holder starts would wait for ever.
    holder.tool()
    assert.isTrue(isRefused())
    holder.meter.end()
    assert.isFalse(isRefused())
    assert.isTrue(meter.reserve())
  })
})

const Step = Schema.Struct({
  turn: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 })),
  what: Schema.Literals(["start", "tool", "call", "goesOn", "over", "doubts", "subagent"]),
  tokens: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))
})

const AllLimits = Schema.Struct({
  modelCalls: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 }))),
  tokens: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 })))
})

const play = (limits: Limits, steps: ReadonlyArray<typeof Step.Type>, isObedient: boolean) => {
  const ledger = new Ledger(limits)
  const turns = new Map<number, { readonly meter: Meter; readonly strands: Array<Strand> }>()
  const told = { modelCalls: 0, tokens: 0 }
  const check = () => {
    assert.isAtLeast(ledger.made, 0)
    assert.isAtLeast(ledger.reserved, ledger.made)
    assert.deepStrictEqual({ modelCalls: ledger.modelCalls, tokens: ledger.tokens }, told)
    const { modelCalls: allowed } = limits
    if (allowed === undefined) return
    if (isObedient) assert.isAtMost(ledger.modelCalls + ledger.reserved, allowed)
    else if (ledger.reserved > 0) assert.isAtMost(ledger.reserved, allowed)
  }
  for (const { tokens, turn: index, what } of steps) {
    const turn = turns.get(index)
    if (what === "start") {
      if (turn !== undefined) continue
      const meter = new Meter([ledger])
      if (meter.refusal !== undefined || !meter.reserve()) meter.end()
      else {
        const strand = new Strand()
        turns.set(index, { meter, strands: [strand] })
        meter.update(strand)
      }
    } else if (turn !== undefined) {
      const { meter, strands } = turn
      const strand = strands[tokens % strands.length]!
      if (what === "over") {
        turns.delete(index)
        meter.end()
      } else if (what === "doubts") {
        const doubts = meter.takeDoubts()
        if (doubts !== undefined) meter.endDoubts(doubts)
      } else if (what === "subagent") {
        const own = new Strand()
        strands.push(own)
        meter.update(own)
      } else {
        if (what === "tool") strand.onItem("commandExecution")
        else strand.goesOn()
        meter.update(strand)
        // An obedient server makes no call of a turn that is cut.
        if (what === "call" && !(isObedient && meter.cut !== undefined)) {
          told.modelCalls++
          told.tokens += tokens
          strand.onCall(tokens, 0, "a-model")
          meter.update(strand)
        }
      }
    }
    check()
  }
  for (const { meter } of turns.values()) meter.end()
  check()
  assert.strictEqual(ledger.reserved, 0)
  assert.strictEqual(ledger.made, 0)
}

describe("whatever happens in whatever order", () => {
  const steps = Schema.Array(Step)

  it.effect.prop(
    "exactly what was told is spent, and everything that was reserved is given back",
    { steps, limits: AllLimits },
    ({ limits, steps }) => Effect.sync(() => play(limits, steps, false)),
    { arbitrary: { runs: 500 } }
  )

  it.effect.prop(
    "no more calls are made than are allowed, if no turn goes on that was cut",
    { steps, limits: AllLimits },
    ({ limits, steps }) => Effect.sync(() => play(limits, steps, true)),
    { arbitrary: { runs: 500 } }
  )
})
