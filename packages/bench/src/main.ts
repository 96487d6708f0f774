/**
 * `npm run bench -- [--check] [--quick] [--json] [--rounds n] [--svg file] [part...]`. Measures the built packages: run
 * `npm run build` first. Figures go to stdout, progress to stderr. With `--from file` it measures nothing and reports
 * the figures that `--json` wrote, so that a table and a picture (`--svg`) can be of the same run.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import type { Figure, Part } from "./measure.ts"
import { holds, judged } from "./measure.ts"
import { ai } from "./parts/ai.ts"
import { cluster } from "./parts/cluster.ts"
import { conditions } from "./parts/conditions.ts"
import { endToEnd } from "./parts/endToEnd.ts"
import { growth } from "./parts/growth.ts"
import { imports } from "./parts/imports.ts"
import { lines } from "./parts/lines.ts"
import { peers, script } from "./parts/peers.ts"
import { pipeline } from "./parts/pipeline.ts"
import { pool } from "./parts/pool.ts"
import { outputs, realistic } from "./parts/realistic.ts"
import { requests, start } from "./parts/requests.ts"
import { sizes } from "./parts/sizes.ts"
import { soak } from "./parts/soak.ts"
import { picture } from "./picture.ts"
import * as Progress from "./progress.ts"
import { table } from "./report.ts"

const parts: ReadonlyArray<Part> = [
  pipeline,
  soak,
  lines,
  requests,
  start,
  endToEnd,
  peers,
  script,
  ai,
  cluster,
  pool,
  imports,
  sizes,
  realistic,
  outputs,
  conditions,
  growth
]

const say = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    check: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string" },
    svg: { type: "string" },
    from: { type: "string" }
  }
})
const unknown = positionals.filter((name) => !parts.some((part) => part.name === name))
const chosen = parts.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
const rounds = Number(values.rounds ?? (values.quick ? 3 : 7))
const isDrawable = values.svg === undefined || values.from !== undefined
  || (chosen.includes(pipeline) && !values.quick)
if (unknown.length > 0 || !(rounds >= 1) || !isDrawable) {
  say("usage: npm run bench -- [--check] [--quick] [--json] [--rounds n] [--svg file] [--from file | part...]")
  say(`parts: ${parts.map(({ name }) => name).join(" ")}`)
  if (!isDrawable) say("The picture needs the part pipeline, and not a quick run of it.")
  process.exit(2)
}

const now = () => performance.now()
const output: Progress.Output = {
  isTTY: process.stderr.isTTY && process.env["TERM"] !== "dumb",
  // Read for each line, because a window can be resized.
  get columns() {
    return process.stderr.columns
  },
  write: (text) => process.stderr.write(text)
}

const measurePart = async (
  { comparisons, name }: Part,
  partsAfter: number
): Promise<ReadonlyArray<Figure>> => {
  const planned = await comparisons({ quick: values.quick, rounds, say: (text) => say(`${name}: ${text}`) })
  const start = now()
  const progress = Progress.begin({ name, comparisons: planned, partsAfter, output, now })
  const figures: Array<Figure> = []
  try {
    for (const [place, { measure }] of planned.entries()) {
      figures.push(...await measure((round, running) => progress.onRun(place, round, running)))
    }
  } finally {
    progress.end()
  }
  say(`${name}: ${((now() - start) / 1000).toFixed(0)} s`)
  return figures
}

const measure = async (): Promise<ReadonlyArray<Figure>> => {
  const packages = Path.resolve(import.meta.dirname, "..", "..")
  const built = ["node/dist/index.js", "promise/dist/bundle/codex-sdk.js", "ai/dist/index.js", "cluster/dist/index.js"]
  if (!built.every((file) => Fs.existsSync(Path.join(packages, file)))) {
    say("The packages are not built: run `npm run build` first.")
    process.exit(2)
  }
  const figures: Array<Figure> = []
  for (const [place, part] of chosen.entries()) {
    if (part.warning !== undefined) say(`${part.name}: ${part.warning}`)
    figures.push(...await measurePart(part, chosen.length - place - 1))
  }
  return figures
}

const figures = values.from === undefined
  ? await measure()
  : JSON.parse(Fs.readFileSync(values.from, "utf8")) as ReadonlyArray<Figure>
process.stdout.write(values.json ? `${JSON.stringify(figures, null, 2)}\n` : table(figures))
if (values.svg !== undefined) Fs.writeFileSync(values.svg, picture(figures))

if (values.check) {
  const missed = figures.filter((figure) => !holds(figure, values.quick))
  for (const figure of missed) {
    const { budget, name, part } = figure
    say(`${part}: ${name}: ${judged(figure).toFixed(2)}, has to be ${budget!.bound} ${budget!.value}`)
  }
  process.exitCode = missed.length > 0 ? 1 : 0
}
