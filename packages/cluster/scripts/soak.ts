/**
 * Two runners, many threads, and a runner that is killed again and again: `npm run soak:cluster -- [threads] [kills] [seed]`.
 * Prints what was lost and what was done twice, with the reason of each. Fails if an answer was lost or changed, if a turn
 * was run again after it completed, or if a command ran twice without a proven reason.
 *
 * Each turn runs one command, which writes the key of its thread into a file, and then answers. A runner that is killed
 * after a command has run and before its line is stored has the command run again: see `losses.ts`.
 */
import { CodexThread, SessionStore } from "@effect-codex/cluster"
import { ScriptedModel as Model } from "@effect-codex/testing"
import { Clock, Console, Effect, Fiber, Option, Random, Schedule, Stream } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Machines from "../test/support/machines.ts"
import * as Losses from "./losses.ts"

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

const keys = Array.from({ length: threads }, (_, i) => `thread-${i}`)
const perKill = threads / (kills + 1)

const runOf = (key: string) => Effect.flatMap(CodexThread.client(key), (thread) => thread.run("t1", `work on ${key}`))

/** The runner that has one of these threads. */
const runnerOf = ({ a, b }: Machines.Machines["Service"], working: ReadonlySet<string>) =>
  Effect.gen(function*() {
    const key = Array.from(working)[yield* Random.nextIntBetween(0, working.size)] ?? ""
    const { runner } = yield* (yield* CodexThread.client(key)).info
    return runner === a.address ? "a" : runner === b.address ? "b" : yield* Effect.fail("it moves")
  }).pipe(Effect.timeout("1 second"), Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 100 }))

/** Runs all threads, and kills meanwhile. Returns the outcomes and the machines that were killed. */
const work = Effect.gen(function*() {
  const machines = yield* Machines.Machines
  const killed: Array<Losses.Machine> = []
  const working = new Set<string>()
  let answered = 0
  const until = (condition: () => boolean) => Effect.repeat(Effect.sleep("20 millis"), { until: condition })
  const turns = yield* Effect.forkScoped(Effect.forEach(
    keys,
    (key, i) =>
      // Keeps work for the kills that are to come.
      until(() => i < (killed.length + 2) * perKill || killed.length === kills).pipe(
        Effect.tap(() => Effect.sync(() => void working.add(key))),
        Effect.andThen(runOf(key)),
        Effect.tap(() => Effect.sync(() => answered += Number(working.delete(key))))
      ),
    { concurrency: 16 }
  ))
  // What hangs shall fail, and show what the runners said.
  const watch = Effect.gen(function*() {
    const before = answered
    yield* Effect.sleep("1 minute")
    if (before !== answered || answered === threads) return
    const said = [machines.a, machines.b].flatMap(({ address, log }) => [address, ...log.slice(-20)]).join("\n")
    const left = Array.from(working).join(", ")
    return yield* Effect.die(new Error(`no turn was answered for a minute. Still running: ${left}\n${said}`))
  }).pipe(Effect.forever)
  const killer = Effect.gen(function*() {
    for (let kill = 1; kill <= kills; kill++) {
      yield* until(() => answered >= (kill - 0.5) * perKill)
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 1000))
      yield* until(() => working.size > 0 || answered === threads)
      if (answered === threads) break
      const which = yield* runnerOf(machines, working)
      yield* Console.log(`${answered} answered, kill ${kill} of ${kills}`)
      const runner = machines[which]
      yield* runner.kill("SIGKILL")
      killed.push({ runner, killedAt: yield* Clock.currentTimeMillis })
      yield* runner.exited
      machines[which] = yield* machines.start
    }
  }).pipe(Random.withSeed(seed))
  const outcomes = yield* Effect.raceFirst(Effect.andThen(killer, Fiber.join(turns)), watch)
  const alive = [machines.a, machines.b].map((runner) => ({ runner, killedAt: undefined }))
  return { outcomes, machines: [...killed, ...alive] }
})

const program = Effect.gen(function*() {
  const start = yield* Clock.currentTimeMillis
  const { machines, outcomes } = yield* work
  const time = (yield* Clock.currentTimeMillis) - start
  const model = yield* Model.ScriptedModel
  const requests = (yield* model.requests).length
  const again = yield* Effect.forEach(keys, runOf, { concurrency: 16 })
  const asked = (yield* model.requests).length - requests
  const right = (outcome: CodexThread.Outcome, i: number) =>
    Option.getOrNull(outcome.finalResponse) === `done ${keys[i]}`
  const lost = outcomes.filter((outcome, i) => !right(outcome, i))
  const different = again.filter((outcome, i) => !right(outcome, i) || outcome.turnId !== outcomes[i]?.turnId)
  const commands = Map.groupBy(Fs.readFileSync(ran, "utf8").trim().split("\n"), (key) => key)
  const { load } = yield* SessionStore.SessionStore
  const threadsOf = yield* Effect.forEach(
    outcomes,
    ({ how, threadId }, i) =>
      Effect.map(Stream.runCollect(load(threadId)), (chunks) => ({
        key: keys[i] ?? "",
        how,
        commands: commands.get(keys[i] ?? "")?.length ?? 0,
        history: Losses.historyOf(chunks, machines, `work on ${keys[i]}`)
      }))
  )
  const runAgain = threadsOf.filter(({ history }) => Losses.isRunAgain(history))
  const twice = threadsOf.filter(({ commands }) => commands > 1)
    .map(({ commands, history, key }) => ({ key, reasons: Losses.reasonsOf(history, commands) }))
  const unproven = twice.filter(({ reasons }) => reasons.some(Option.isNone))
  const count = (how: CodexThread.Outcome["how"]) => outcomes.filter((outcome) => outcome.how === how).length
  const overloads = machines.flatMap(({ runner }) =>
    runner.log
  ).filter((line) => line.includes("Shard lock storage is unhealthy")).length
  yield* Console.log([
    `${threads} turns over 2 runners, ${machines.length - 2} kills, ${(time / 1000).toFixed(0)} s`,
    `answered: ${outcomes.length}; lost: ${lost.length}`,
    `answered otherwise when asked again: ${different.length}; asked the model for that: ${asked}`,
    `ran: ${count("ran")}, continued: ${count("continued")}, found completed: ${count("found")}`,
    `completed, as the store knows, and run again: ${runAgain.length}`,
    "completed, unknown to the store, and continued:",
    ...threadsOf.flatMap(({ history, key }) => Losses.lostCompletions(history).map((when) => `  ${key}: ${when}`)),
    `why answers were found: ${
      Losses.tally(threadsOf.filter(({ how }) => how === "found").map(({ history }) => Losses.whyFound(history)))
    }`,
    `the oldest lines that a kill lost were written ${
      threadsOf.flatMap(({ history }) => Losses.ages(history)).sort((a, b) => a - b).join(", ")
    } ms before it`,
    `a runner could not confirm its locks in time: ${overloads} times`,
    `commands not run: ${threadsOf.filter(({ commands }) => commands === 0).length}; run twice: ${twice.length}`,
    ...twice.map(({ key, reasons }) =>
      `  ${key}: ${reasons.map(Option.getOrElse(() => "NO REASON IS PROVEN")).join("; ")}`
    ),
    `requests to the model: ${requests}, ${requests - 2 * threads} more than without kills`
  ].join("\n"))
  return [lost, different, runAgain, unproven].every(({ length }) => length === 0) && asked === 0
})

const isRight = await Effect.runPromise(
  program.pipe(Effect.scoped, Effect.provide(Machines.layer({ answer })))
).finally(() => Fs.rmSync(folder, { recursive: true, force: true }))
process.exitCode = isRight ? 0 : 1
