/**
 * Two runners, many threads, and a runner that is killed again and again: `npm run soak:cluster -- [threads] [kills] [seed]`.
 * Prints what was lost and what was done twice, and fails if there was any of it.
 *
 * Each turn runs one command, which writes the key of its thread into a file, and then answers. A runner that is killed
 * after a command has run and before its line is stored has the command run again, so these are counted by themselves.
 */
import { CodexThread } from "@effect-codex/cluster"
import { ScriptedModel as Model } from "@effect-codex/testing"
import { Clock, Console, Effect, Fiber, Option, Random } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Machines from "../test/support/machines.ts"

const [threads = 200, kills = 10, seed = 1] = process.argv.slice(2).map(Number)
const folder = Fs.mkdtempSync(Path.join(Os.homedir(), ".effect-codex-soak-"))
const ran = Path.join(folder, "ran.txt")
Fs.writeFileSync(ran, "")

const keyIn = (texts: ReadonlyArray<string>) =>
  texts.map((text) => /^work on (\S+)$/.exec(text)?.[1]).find((key) => key) ?? ""

const answer = ({ input, userTexts }: Model.ModelRequest): Model.Answer =>
  input.some(({ type }) => type === "function_call_output")
    ? [Model.delay("300 millis"), `done ${keyIn(userTexts)}`]
    : [Model.delay("300 millis"), Model.exec(`echo ${keyIn(userTexts)} >> ${ran}`)]

const twice = (keys: ReadonlyArray<string>) => keys.length - new Set(keys).size

const program = Effect.gen(function*() {
  const machines = yield* Machines.Machines
  const model = yield* Model.ScriptedModel
  const keys = Array.from({ length: threads }, (_, i) => `thread-${i}`)
  const start = yield* Clock.currentTimeMillis
  let answered = 0
  const runOf = (key: string) => Effect.flatMap(CodexThread.client(key), (thread) => thread.run("t1", `work on ${key}`))
  const work = yield* Effect.forkScoped(Effect.forEach(
    keys,
    (key) => Effect.tap(runOf(key), () => Effect.sync(() => void answered++)),
    { concurrency: 16 }
  ))
  const killer = Effect.gen(function*() {
    for (let kill = 1; kill <= kills; kill++) {
      // Spread over the work, at an instant of its own.
      const from = Math.floor(((kill - 0.5) * threads) / (kills + 1))
      yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => answered >= from })
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 1500))
      const which = (yield* Random.nextBoolean) ? "a" : "b"
      yield* machines[which].kill("SIGKILL")
      yield* machines[which].exited
      yield* Console.log(`${answered} answered, kill ${kill} of ${kills}`)
      machines[which] = yield* machines.start
    }
  }).pipe(Random.withSeed(seed))
  yield* killer
  const outcomes = yield* Fiber.join(work)
  const time = (yield* Clock.currentTimeMillis) - start
  const again = yield* Effect.forEach(keys, runOf, { concurrency: 16 })
  const requests = yield* model.requests
  const lost = outcomes.filter(({ finalResponse }, i) => Option.getOrNull(finalResponse) !== `done ${keys[i]}`)
  const different = again.filter(({ finalResponse, turnId }, i) =>
    turnId !== outcomes[i]?.turnId || Option.getOrNull(finalResponse) !== `done ${keys[i]}`
  )
  const asked = (yield* model.requests).length - requests.length
  const how = Map.groupBy(outcomes, (outcome) => outcome.how)
  const commands = Fs.readFileSync(ran, "utf8").trim().split("\n")
  yield* Console.log([
    `${threads} turns over 2 runners, ${kills} kills, ${(time / 1000).toFixed(0)} s`,
    `answered: ${outcomes.length}; lost: ${lost.length}`,
    `answered twice, or otherwise when asked again: ${different.length}; asked the model for that: ${asked}`,
    `ran ${how.get("ran")?.length ?? 0}, continued ${how.get("continued")?.length ?? 0}, ` +
    `found completed ${how.get("found")?.length ?? 0}`,
    `commands: ${commands.length}, not run: ${keys.filter((key) => !commands.includes(key)).length}, ` +
    `run twice (killed before the line was stored): ${twice(commands)}`,
    `requests to the model: ${requests.length}, ${requests.length - 2 * threads} more than without kills`
  ].join("\n"))
  return lost.length === 0 && different.length === 0 && asked === 0
})

const isRight = await Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(Machines.layer({ answer })))
).finally(() => Fs.rmSync(folder, { recursive: true, force: true }))
process.exitCode = isRight ? 0 : 1
