/**
 * Measures the time of a test on each of the four levels of docs/testing.md, and of turns on the fake. It runs the tests
 * of `scratchpad/test/ReviewBot.real.test.ts` five times, or as often as the argument says, and ignores the first test
 * of each process.
 *
 *     npx node --conditions=@effect-codex/source packages/testing/scripts/times.ts
 */
import { Codex } from "@effect-codex/client"
import { FakeAppServer } from "@effect-codex/testing"
import { Effect, Schema } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const root = Path.join(import.meta.dirname, "..", "..", "..")
const rounds = Number(process.argv[2] ?? 5)

const Report = Schema.fromJsonString(Schema.Struct({
  testResults: Schema.Array(Schema.Struct({
    assertionResults: Schema.Array(Schema.Struct({
      ancestorTitles: Schema.Array(Schema.String),
      status: Schema.String,
      duration: Schema.optionalKey(Schema.NullOr(Schema.Number))
    }))
  }))
}))

/** The levels and the durations of the tests of one process, in the order in which they ran. */
const tests = (): ReadonlyArray<readonly [level: string, ms: number]> => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "times-"))
  const file = Path.join(folder, "report.json")
  try {
    const vitest = Path.join(root, "node_modules", "vitest", "vitest.mjs")
    const args = [vitest, "run", "--config", "vitest.workspace.ts", "--project", "scratchpad", "ReviewBot"]
    execFileSync(process.execPath, [...args, "--reporter", "json", "--outputFile", file], {
      cwd: root,
      stdio: "ignore"
    })
    const { testResults } = Schema.decodeUnknownSync(Report)(Fs.readFileSync(file, "utf8"))
    return testResults.flatMap(({ assertionResults }) =>
      assertionResults.map(({ ancestorTitles, duration }) => [ancestorTitles[0] ?? "", duration ?? 0] as const)
    )
  } finally {
    Fs.rmSync(folder, { recursive: true, force: true })
  }
}

const times = new Map<string, Array<number>>()
for (let round = 0; round < rounds; round++) {
  for (const [level, ms] of tests().slice(1)) times.set(level, [...times.get(level) ?? [], ms])
}
for (const [level, all] of times) {
  const sorted = all.toSorted((a, b) => a - b)
  const [least, median, most] = [0, 0.5, 1].map((at) => sorted[Math.round(at * (sorted.length - 1))]?.toFixed(1))
  console.log(`${level}: ${median} ms (${least} to ${most}, ${all.length} tests)`)
}

const turns = (count: number) =>
  Effect.runPromise(
    Effect.gen(function*() {
      const thread = yield* (yield* Codex.Codex).startThread()
      yield* Effect.replicateEffect(thread.run("go"), count, { discard: true })
    }).pipe(Effect.provide(FakeAppServer.layer({ model: { answer: () => "done" } })))
  )

await turns(1000)
const start = performance.now()
const cpu = process.cpuUsage()
await turns(1000)
const { system, user } = process.cpuUsage(cpu)
console.log(
  `1,000 turns on the fake: ${(performance.now() - start).toFixed(0)} ms, ${
    ((system + user) / 1000).toFixed(0)
  } ms of CPU`
)
