/** The steps of `npm run upgrade-codex`. What they do to the machine is given, so that tests can do without. */
import { parseArgs } from "node:util"
import type { Tested } from "./compatTable.ts"
import { compareVersions, isVersion, minor, notAVersion } from "./versionNames.ts"

export interface Plan {
  readonly from: string
  readonly to: string
  readonly isDryRun: boolean
  readonly hasTests: boolean
  /** Texts in the paths of the tests to run; all tests if there are none. */
  readonly only: ReadonlyArray<string>
}

export class UsageError extends Error {}

/** Reads the arguments. `pinned` is the version of the repository. */
export const planOf = (argv: ReadonlyArray<string>, pinned: string): Plan => {
  const { positionals: [to, ...others], values } = parsed(argv)
  if (to === undefined) throw new UsageError("Which version?")
  if (others.length > 0) throw new UsageError(`One version, not ${others.length + 1}.`)
  const from = values.from ?? pinned
  for (const version of [from, to]) if (!isVersion(version)) throw new UsageError(notAVersion(version))
  const isDryRun = values["dry-run"]
  if (from === to) {
    throw new UsageError(`There is nothing to upgrade from ${from} to ${to}. \`--from\` names the older one.`)
  }
  if (!isDryRun && compareVersions(from, to) > 0) {
    throw new UsageError(`${to} is older than ${from}: only \`--dry-run\` compares with an older version.`)
  }
  return { from, to, isDryRun, hasTests: !values["no-tests"], only: values.only }
}

const parsed = (argv: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        "dry-run": { type: "boolean", default: false },
        "no-tests": { type: "boolean", default: false },
        from: { type: "string" },
        only: { type: "string", multiple: true, default: [] }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** The pages with the versions that they name for their readers replaced. */
export const withVersion = (text: string, { from, to }: Plan): string =>
  text.replaceAll(`@openai/codex@${minor(from)}`, `@openai/codex@${minor(to)}`)
    .replaceAll(/(codex 0\.\d+ to )0\.\d+/g, `$1${minor(to)}`)
    .replace(/(is generated from codex )[\d.]+(?= )/, `$1${to}`)

/** The source of `ServerInfo` with the newest tested version. */
export const withNewest = (source: string, { to }: Plan): string => source.replace(/(newest: ")[^"]+/, `$1${minor(to)}`)

export interface Machine<Launcher, Result extends Tested> {
  readonly say: (line: string) => void
  readonly install: (version: string) => Launcher
  readonly uninstall: (version: string) => void
  /** Prints what changed between two versions. Keeps what only the older one sends, if so told. */
  readonly compare: (from: string, to: string, isKept: boolean) => void
  readonly pin: (version: string) => void
  readonly generate: () => void
  /** Replaces the versions in sources and pages. */
  readonly edit: (plan: Plan) => void
  readonly test: (version: string, launcher: Launcher, only: ReadonlyArray<string>) => Result
  /** Prints the results, and adds them to the page. */
  readonly write: (results: ReadonlyArray<Result>) => void
  readonly isPassed: (result: Result) => boolean
}

/** Upgrades, and returns the exit code. */
export const upgrade = <Launcher, Result extends Tested>(plan: Plan, machine: Machine<Launcher, Result>): number => {
  const { from, hasTests, isDryRun, only, to } = plan
  const versions = [from, to]
  const done: Array<string> = []
  let current = ""
  const step = <A>(what: string, run: () => A): A => {
    current = what
    machine.say(`\n== ${what}`)
    const result = run()
    done.push(what)
    return result
  }
  if (compareVersions(from, to) > 0) {
    machine.say(`${to} is older than ${from}: "gained" means lost since then, and the other way round.`)
  }
  try {
    const launchers = step("Install both versions", () => versions.map((version) => machine.install(version)))
    step("What changed", () => machine.compare(from, to, !isDryRun))
    if (isDryRun) return 0
    step("Pin it", () => machine.pin(to))
    step("Generate the protocol", () => machine.generate())
    step("Name it in sources and pages", () => machine.edit(plan))
    const results = hasTests
      ? step("Run what needs codex on both", () => {
        const results = launchers.map((launcher, index) => machine.test(versions[index]!, launcher, only))
        machine.write(results)
        return results
      })
      : []
    machine.say("\nLeft to do: npm run check, npm test, and a note on the differences in docs/compatibility.md.")
    return results.every((result) => machine.isPassed(result)) ? 0 : 1
  } catch (error) {
    machine.say(`\n"${current}" failed: ${error instanceof Error ? error.message : String(error)}`)
    machine.say(stopped(plan, done))
    return 1
  } finally {
    for (const version of versions) machine.uninstall(version)
  }
}

/** What a stopped upgrade has done, and how to go on. */
const stopped = ({ from, isDryRun, to }: Plan, done: ReadonlyArray<string>): string =>
  isDryRun || !done.includes("What changed")
    ? "Nothing was changed."
    // A pinned version would be taken for the one to upgrade from.
    : [
      `Done until then: ${done.join(", ")}.`,
      `Mend the cause, and do all of it again: npm run upgrade-codex -- --from ${from} ${to}`,
      "Or restore the files that `git status` lists, and run `npm ci`."
    ].join("\n")
