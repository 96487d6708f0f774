import { assert, describe, it } from "vitest"
import { Missing } from "../../parity/src/environment.ts"
import { commandsOf } from "../src/parts/peers.ts"
import * as Python from "../src/python.ts"
import { javaScriptOf } from "../src/stripped.ts"

describe("the peers", () => {
  const job = { threads: 8, turns: 4, first: false }

  it("get the same job, the Python SDK on its own Python", () => {
    const commands = commandsOf("peer.mjs", "/venv/bin/python", job)
    assert.lengthOf(Object.keys(commands), 8)
    for (const [name, { args, program, script }] of Object.entries(commands)) {
      assert.strictEqual(program, name.startsWith("Python") ? "/venv/bin/python" : undefined, name)
      assert.match(script, name.startsWith("Python") ? /peer\.py$/ : /peer\.mjs$/, name)
      const { answer, prompt, ...told } = JSON.parse(args![0]!)
      assert.containsSubset(told, job)
      assert.strictEqual(`${prompt} ${answer.split(" ").length - 1}`, "Say 20 words. 20")
    }
  })

  it("are measured without the Python SDK where there is no Python", () => {
    assert.isFalse(Object.keys(commandsOf("peer.mjs", undefined, job)).some((name) => name.startsWith("Python")))
  })
})

describe("Python", () => {
  it("is found in the environment", async () => {
    const said: Array<string> = []
    const found = await Python.find((text) => said.push(text), () => Promise.resolve("/venv/bin/python"))
    assert.deepStrictEqual([found, ...said], ["/venv/bin/python"])
  })

  it("that is missing is told in one line", async () => {
    const said: Array<string> = []
    const found = await Python.find((text) => said.push(text), () => Promise.reject(new Missing("python3 is missing")))
    assert.isUndefined(found)
    assert.deepStrictEqual(said, ["leaves out the Python SDK: python3 is missing"])
  })

  it("that breaks otherwise fails the bench", async () => {
    let thrown: unknown
    await Python.find(() => {}, () => Promise.reject(new Error("disk full"))).catch((error: unknown) => thrown = error)
    assert.strictEqual(String(thrown), "Error: disk full")
  })
})

describe("a program as JavaScript", () => {
  it("imports its neighbours as JavaScript too", () => {
    const typeScript =
      "import type { A } from \"./a.ts\"\nimport { b } from \"../b.ts\"\nconst c: number = await import(`./${b}.ts`)"
    assert.strictEqual(
      javaScriptOf(typeScript).replaceAll(/[^\S\n]+/g, " ").trim(),
      "import { b } from \"../b.mjs\"\nconst c = await import(`./${b}.mjs`)"
    )
  })
})
