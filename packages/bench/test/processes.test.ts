import { assert, describe, it } from "vitest"
import { memoryKiB } from "../src/processes.ts"
import { answerOf, answerTo, promptOf } from "../src/stage.ts"

const status = (anon: number, file: number) =>
  `Name:\tcodex\nVmHWM:\t  999999 kB\nRssAnon:\t  ${anon} kB\nRssFile:\t${file} kB\nRssShmem:\t       1 kB\n`

describe("memory", () => {
  it("counts what processes of one executable share once", () => {
    const processes = [
      { executable: "node", status: status(1000, 100) },
      { executable: "codex", status: status(20, 300) },
      { executable: "codex", status: status(30, 200) }
    ]
    assert.strictEqual(memoryKiB(processes), 1050 + 3 + 100 + 300)
  })

  it("of a process that has ended is none", () => {
    assert.strictEqual(memoryKiB([{ executable: "codex", status: "" }]), 0)
  })
})

describe("the model", () => {
  it("answers with as many deltas as it was asked for", () => {
    assert.lengthOf(answerTo(promptOf(2000)), 2000)
    assert.strictEqual(answerOf(3), "the agent writes ")
  })

  it("refuses what it does not understand", () => {
    assert.throws(() => answerTo("Say something."))
  })
})
