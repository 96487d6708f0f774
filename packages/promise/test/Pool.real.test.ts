/** Many real codex processes behind one promise client. */
import { InvalidArgument } from "@effect-codex/promise"
import { assert, describe } from "@effect/vitest"
import { real, rejection } from "./support/real.ts"

describe("a client with a pool", () => {
  real("places its threads on its processes, tells what they do, and replaces them", async ({ model, open }) => {
    const codex = open({ pool: { processes: 2 } })
    const threads = await Promise.all([codex.startThread(), codex.startThread()])
    await model.enqueue("one", "two")
    const results = await Promise.all(threads.map((thread) => thread.run("hi")))
    assert.sameMembers(results.map(({ finalResponse }) => finalResponse), ["one", "two"])
    const before = await codex.poolStats()
    assert.deepStrictEqual(before.processes.map(({ active, loaded, placed }) => ({ active, loaded, placed })), [
      { active: 0, loaded: 1, placed: 1 },
      { active: 0, loaded: 1, placed: 1 }
    ])
    assert.isAbove(before.processes[0]!.age, 0)
    assert.isUndefined(before.sparePid)

    await codex.recyclePool()
    await model.enqueue("three")
    assert.strictEqual((await threads[0]!.run("go on")).finalResponse, "three")
    const after = await codex.poolStats()
    assert.notStrictEqual(after.processes[0]!.pid, before.processes[0]!.pid)
  })

  real("that has none says so", async ({ codex }) => {
    for (const error of [await rejection(codex.poolStats()), await rejection(codex.recyclePool())]) {
      assert.instanceOf(error, InvalidArgument)
      assert.include(String(error), "Start it with `pool`")
    }
  })
})
