/** Measures how long modules take to import after others were imported. */
import { begin, tell } from "./sample.ts"

const [before, ...modules] = process.argv.slice(2)
for (const name of before!.split(",").filter((name) => name !== "")) await import(name)
const end = begin()
for (const name of modules) await import(name)
tell(end())
