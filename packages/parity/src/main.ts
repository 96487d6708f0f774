/**
 * `npm run parity -- [--check] [--render] [--show] [--trace folder] [scenario...]`. Runs the scenarios through the
 * Python SDK and through this library, on the same codex and the same scripted model, and compares what they did. Fails
 * if something differs that `differences.ts` does not list, if a listed difference no longer occurs, or if a public
 * member, option or exception of the SDK is in no scenario.
 *
 * With all scenarios it writes `docs/parity.json` and its section of `docs/from-python.md`; with `--check` it fails if
 * they are not current. `--render` only writes the section anew, from `docs/parity.json`. `--show` prints every
 * difference, also the listed ones; `--trace` writes down what went over the pipes.
 */
import { CodexExecutable } from "@effect-codex/node"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import type { Difference } from "./compare.ts"
import { compare, parts, rowOf } from "./compare.ts"
import * as Coverage from "./coverage.ts"
import { differences as listed } from "./differences.ts"
import { environment, Missing, versionOf } from "./environment.ts"
import * as Normalize from "./normalize.ts"
import * as Ours from "./ours.ts"
import * as Python from "./python.ts"
import type { Entry } from "./recording.ts"
import type { Report, Row } from "./report.ts"
import { inPage, section, tableOf } from "./report.ts"
import type { Scenario } from "./scenario.ts"
import { scenarios } from "./scenarios.ts"
import * as World from "./world.ts"

const say = (text: string): void => void process.stderr.write(`${text}\n`)
const print = (text: string): void => void process.stdout.write(`${text}\n`)

const docs = Path.join(import.meta.dirname, "..", "..", "..", "docs")

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    check: { type: "boolean", default: false },
    render: { type: "boolean", default: false },
    show: { type: "boolean", default: false },
    trace: { type: "string" }
  }
})

const faces: ReadonlyArray<Python.Face> = ["sync", "async"]

// =============================================================================
// Running
// =============================================================================

const inWorld = <A, E>(scenario: Scenario, run: (world: World.World) => Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const world = yield* World.make(scenario)
    const notes = yield* run(world)
    return { notes, entries: yield* world.entries, world }
  }).pipe(Effect.scoped)

/** Writes a run to the folder of `--trace`, to look for the cause of a difference. */
const trace = (scenario: Scenario, who: string, entries: ReadonlyArray<Entry>, run: Normalize.Run): void => {
  if (values.trace === undefined) return
  Fs.mkdirSync(values.trace, { recursive: true })
  Fs.writeFileSync(Path.join(values.trace, `${scenario.name}.${who}.json`), JSON.stringify({ run, entries }, null, 1))
}

const runScenario = Effect.fnUntraced(function*(python: string, scenario: Scenario) {
  const ours = inWorld(scenario, (world) => Ours.run(scenario, world))
  const theirs = Effect.forEach(
    faces,
    (face) => inWorld(scenario, (world) => Python.run(python, face, scenario, world)),
    { concurrency: "unbounded" }
  )
  const [our, their] = yield* Effect.all([ours, theirs], { concurrency: "unbounded" })
  const ourRun = Normalize.runOf(our.entries, our.notes, our.world)
  trace(scenario, "ours", our.entries, ourRun)
  return their.map(({ entries, notes, world }, i) => {
    const run = Normalize.runOf(entries, notes, world)
    trace(scenario, faces[i]!, entries, run)
    return { notes, differences: compare(scenario.name, faces[i]!, run, ourRun) }
  })
})

type Ran = Effect.Success<ReturnType<typeof runScenario>>

// =============================================================================
// Telling
// =============================================================================

const shown = (value: Difference["ours"]): string =>
  value === undefined ? "nothing" : JSON.stringify(value).slice(0, 300)

const tell = ({ at, face, ours, part, python }: Difference): void =>
  say(`  ${face}: ${part} ${at}\n    - ${shown(python)}\n    + ${shown(ours)}`)

/** What a scenario has shown beside the differences of all scenarios. */
const rowFor = (scenario: Scenario, ran: Ran): Row => {
  const found = ran.flatMap(({ differences }) =>
    differences.flatMap((difference) => {
      const row = rowOf(difference, listed)
      return row?.scenarios === undefined ? [] : [{ difference, row }]
    })
  )
  return {
    scenario: scenario.name,
    differs: parts.filter((part) => found.some(({ difference }) => difference.part === part)),
    listed: listed.map(({ id }) => id).filter((id) => found.some(({ row }) => row.id === id))
  }
}

/** Writes a file, or with `--check` tells whether it is current. */
const settle = (file: string, text: string): ReadonlyArray<string> => {
  const path = Path.join(docs, file)
  if (!values.check) {
    Fs.writeFileSync(path, text)
    return []
  }
  return Fs.existsSync(path) && Fs.readFileSync(path, "utf8") === text
    ? []
    : [`docs/${file} is not current: run npm run parity`]
}

/** Brings the page of docs up to date with a report. */
const settlePage = (report: Report): ReadonlyArray<string> => {
  const page = Fs.readFileSync(Path.join(docs, "from-python.md"), "utf8")
  return settle("from-python.md", inPage(page, section(report, scenarios, listed)))
}

const main = async (): Promise<number> => {
  if (values.render) {
    settlePage(JSON.parse(Fs.readFileSync(Path.join(docs, "parity.json"), "utf8")))
    return 0
  }
  const unknown = positionals.filter((name) => !scenarios.some((scenario) => scenario.name === name))
  if (unknown.length > 0) {
    say(`There is no scenario ${unknown.join(", ")}. There are: ${scenarios.map(({ name }) => name).join(" ")}`)
    return 2
  }
  const python = await environment(say)
  const isWhole = positionals.length === 0
  const chosen = scenarios.filter(({ name }) => isWhole || positionals.includes(name))
  const surface = await Effect.runPromise(Python.surface(python))
  const problems = Coverage.scenarios(surface, scenarios)

  const all = new Map<string, Ran>()
  await Effect.runPromise(
    Effect.forEach(chosen, (scenario) =>
      Effect.map(Effect.exit(runScenario(python, scenario)), (exit) => {
        if (Exit.isFailure(exit)) {
          problems.push(`${scenario.name} is broken: ${Cause.pretty(exit.cause)}`)
          return
        }
        all.set(scenario.name, exit.value)
        const found = exit.value.flatMap(({ differences }) => differences)
        const meant = found.filter((difference) => rowOf(difference, listed) !== undefined)
        say(`${scenario.name}: ${found.length} fields differ, ${found.length - meant.length} of them not listed`)
        for (const difference of found) if (values.show || !meant.includes(difference)) tell(difference)
        if (meant.length < found.length) problems.push(`${scenario.name} differs, which is not listed`)
      }), { concurrency: 2 })
  )

  const rows = chosen.flatMap((scenario) => {
    const ran = all.get(scenario.name)
    return ran === undefined ? [] : [rowFor(scenario, ran)]
  })
  const report: Report = {
    codex: await codexVersion(),
    python: await versionOf(python),
    ...Coverage.counts(surface),
    rows
  }
  print(tableOf(report))

  if (isWhole) {
    const ran = [...all.values()].flat()
    problems.push(...Coverage.members(surface, ran.map(({ notes }) => notes)))
    const occurred = new Set(ran.flatMap(({ differences }) => differences.map((one) => rowOf(one, listed)?.id)))
    for (const { id } of listed) if (!occurred.has(id)) problems.push(`the difference ${id} no longer occurs`)
    if (problems.length === 0) {
      problems.push(...settle("parity.json", `${JSON.stringify(report, null, 2)}\n`))
      problems.push(...settlePage(report))
    }
  }
  for (const problem of problems) say(problem)
  const count = rows.filter(({ differs }) => differs.length === 0).length
  print(`\n${rows.length} scenarios: ${count} the same, ${rows.length - count} with listed differences of their own.`)
  return problems.length === 0 ? 0 : 1
}

const codexVersion = async (): Promise<string> => {
  const find = Effect.provide(CodexExecutable.find(), NodeServices.layer)
  const { executable } = await Effect.runPromise(find)
  return versionOf(executable)
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof Missing)) throw error
  say(error.message)
  process.exitCode = 1
}
