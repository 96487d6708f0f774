/** A first turn on the drop-in, and what is started and loaded for it: `Programs.test.ts` starts it. */
import { subscribe } from "node:diagnostics_channel"
import { registerHooks } from "node:module"

const [how, mark = ""] = process.argv.slice(2)

const done: Array<string> = []
subscribe("child_process", () => done.push("codex starts"))
registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === "effect/Effect" && !done.includes("Effect loads")) done.push("Effect loads")
    return next(specifier, context)
  }
})
const { Codex } = await import("@effect-codex/promise/codex-sdk")

const aborts = new AbortController()
const thread = new Codex({ configOverrides: [mark] }).startThread({ skipGitRepoCheck: how !== "is refused" })
const turn = thread.run("Say hello.", { signal: aborts.signal })
if (how === "exits") {
  // By then Node may have looked for what the client imports.
  console.log(done[0])
  process.exit()
}
if (how === "aborts") aborts.abort()
console.log(await turn.then(({ finalResponse }) => finalResponse, ({ name }: Error) => name))
console.log(done.join(", "))
