/** Hooks that are async functions, on the real codex. */
import { Hooks, Sandbox } from "@effect-codex/promise"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { AsyncLocalStorage } from "node:async_hooks"
import { readdirSync } from "node:fs"
import { real } from "./support/real.ts"

const { exec } = ScriptedModel

describe("hooks", () => {
  real("refuse a tool, see the results of others, and make the agent go on", async ({ home, model, open }) => {
    const place = new AsyncLocalStorage<string>()
    const seen: Array<unknown> = []
    const codex = place.run("here", () =>
      open({
        hooks: {
          preToolUse: async ({ input }, { signal }) => {
            assert.isFalse(signal.aborted)
            seen.push(place.getStore())
            return JSON.stringify(input).includes("touch") ? Hooks.deny("not here") : Hooks.allow
          },
          postToolUse: async ({ output }) => {
            seen.push(output)
            return Hooks.replaceResult("nothing")
          },
          userPromptSubmit: async ({ prompt }) => (seen.push(prompt), Hooks.addContext("Mind the gap.")),
          sessionStart: async ({ source }) => (seen.push(source), Hooks.allow),
          stop: async ({ isContinued }) => isContinued ? Hooks.allow : Hooks.goOn("Go on.")
        }
      }))
    await model.enqueue(exec("touch here.txt"), exec("echo hello"), "Done.", "Done again.")
    const thread = await codex.startThread({ sandbox: Sandbox.fullAccess })
    const { finalResponse } = await thread.run("Touch it.")
    assert.strictEqual(finalResponse, "Done again.")
    assert.deepStrictEqual(readdirSync(home.workspace), [])
    assert.deepStrictEqual(seen, ["startup", "Touch it.", "here", "here", "hello\n"])
    const outputs = (await model.requests())[2]?.toolOutputs.map(({ output }) => output)
    assert.include(outputs?.[0], "not here")
    assert.strictEqual(outputs?.[1], "nothing")
  })

  real("refuse what they do not decide in time, and are told so", async ({ home, model, open }) => {
    const aborted = Promise.withResolvers<void>()
    const codex = open({
      hooks: {
        timeout: 100,
        preToolUse: (_event, { signal }) =>
          new Promise(() => {
            signal.addEventListener("abort", () => aborted.resolve())
          })
      }
    })
    await model.enqueue(exec("touch here.txt"), "I may not.")
    await (await codex.startThread({ sandbox: Sandbox.fullAccess })).run("Touch it.")
    assert.deepStrictEqual(readdirSync(home.workspace), [])
    await aborted.promise
  })
})
