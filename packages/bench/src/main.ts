/**
 * `npm run bench -- [--check] [--quick] [--json] [--rounds n] [part...]`. Measures the built packages: run
 * `npm run build` first.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import type { Figure, Part } from "./measure.ts"
import { holds } from "./measure.ts"
import { endToEnd } from "./parts/endToEnd.ts"
import { imports } from "./parts/imports.ts"
import { lines } from "./parts/lines.ts"
import { peers } from "./parts/peers.ts"
import { pipeline } from "./parts/pipeline.ts"
import { growth, outputs, realistic } from "./parts/realistic.ts"
import { requests, start } from "./parts/requests.ts"
import { sizes } from "./parts/sizes.ts"
import { soak } from "./parts/soak.ts"
import { table } from "./report.ts"

const parts: ReadonlyArray<Part> = [
  pipeline,
  soak,
  lines,
  requests,
  start,
  endToEnd,
  peers,
  imports,
  sizes,
  realistic,
  outputs,
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
    rounds: { type: "string" }
  }
})
const unknown = positionals.filter((name) => !parts.some((part) => part.name === name))
const rounds = Number(values.rounds ?? (values.quick ? 3 : 7))
if (unknown.length > 0 || !(rounds >= 1)) {
  say("usage: npm run bench -- [--check] [--quick] [--json] [--rounds n] [part...]")
  say(`parts: ${parts.map(({ name }) => name).join(" ")}`)
  process.exit(2)
}
const packages = Path.resolve(import.meta.dirname, "..", "..")
if (["node", "promise"].some((name) => !Fs.existsSync(Path.join(packages, name, "dist", "index.js")))) {
  say("The packages are not built: run `npm run build` first.")
  process.exit(2)
}

const figures: Array<Figure> = []
for (const part of parts) {
  if (positionals.length > 0 && !positionals.includes(part.name)) continue
  const start = performance.now()
  figures.push(...await part.run({ quick: values.quick, rounds }))
  say(`${part.name}: ${((performance.now() - start) / 1000).toFixed(0)} s`)
}
process.stdout.write(values.json ? `${JSON.stringify(figures, null, 2)}\n` : table(figures))

if (values.check) {
  const missed = figures.filter((figure) => !holds(figure, values.quick))
  for (const { budget, name, part, ratio, value } of missed) {
    say(`${part}: ${name}: ${(ratio ?? value).median.toFixed(2)}, has to be ${budget!.bound} ${budget!.value}`)
  }
  process.exitCode = missed.length > 0 ? 1 : 0
}
