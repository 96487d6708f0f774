/**
 * Runs the sessions of `test/rpc/Mutations.real.test.ts`, and writes how their calls ended into docs/compatibility.md:
 * `npm run mutations`.
 */
import { Effect, Logger } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { notRight } from "../test/support/mutatedSession.ts"
import * as Rows from "../test/support/mutationRows.ts"

const page = Path.join(import.meta.dirname, "../../../docs/compatibility.md")
const header = "| Changed | Rate | Where | Seeds | Changes | Calls | Right | Else |"

/** How a call ended that did not give the right answer, without the answer. */
const elseOf = (line: string): string => {
  const [call = "", outcome = ""] = line.split(/: (.*)/s)
  return `${call}: ${outcome.startsWith("wrong: ") ? "another result" : `\`${outcome}\``}`
}

const counted = (lines: ReadonlyArray<string>): string =>
  Object.entries(Object.groupBy(lines, (line) => line))
    .map(([line, all = []]) => all.length === 1 ? line : `${line} (${all.length} times)`).sort().join(", ")

const measure = Effect.fnUntraced(function*(row: Rows.Row) {
  const sessions = yield* Effect.forEach(row.seeds, (seed) => Rows.run(row, seed), { concurrency: 2 })
  const calls = sessions.reduce((sum, { outcomes }) => sum + Object.keys(outcomes).length, 0)
  const changes = sessions.reduce((sum, { made }) => sum + made.length, 0)
  const others = sessions.flatMap(({ outcomes }) => notRight(outcomes).map(elseOf))
  const cells = [
    Rows.nameOf(row),
    row.rate,
    row.where,
    row.seeds.join(", "),
    changes,
    calls,
    calls - others.length,
    counted(others)
  ]
  console.log(cells.join(" | "))
  return `| ${cells.join(" | ")} |`
})

const lines = Fs.readFileSync(page, "utf8").split("\n")
const begin = lines.findIndex((line) => /^\| Changed +\| Rate/.test(line))
if (begin < 0) throw new Error("docs/compatibility.md has no table that begins with | Changed | Rate")
const length = lines.slice(begin).findIndex((line) => !line.startsWith("|"))

const rows = await Effect.runPromise(
  Effect.forEach(Rows.all, measure).pipe(
    // The client logs what it does not understand, which here is each change.
    Effect.provide(Logger.layer([]))
  )
)
lines.splice(begin, length, header, header.replaceAll(/[^|]+/g, " - "), ...rows)
Fs.writeFileSync(page, lines.join("\n"))
