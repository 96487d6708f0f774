/**
 * Generates `src/Sent.ts`, `src/Received.ts` and `src/Methods.ts` from the pinned codex binary.
 * With `--check`, writes nothing and exits with 1 if the committed files differ.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { findBinary, withGenerated } from "./codex.ts"
import { crossCheck } from "./crossCheck.ts"
import { emit } from "./emit.ts"
import { findMethods } from "./methods.ts"
import { readOlder, withOlder } from "./older.ts"
import { readProtocol } from "./protocol.ts"
import { findSides } from "./reach.ts"

const source = path.join(import.meta.dirname, "..", "src")

const modules = withGenerated(findBinary(), (generated) => {
  const { definitions, methods, stable, version } = readProtocol(generated)
  crossCheck(definitions, methods, generated.jsonSchemas)
  const older = readOlder()
  const received = withOlder(definitions, older, path.join(generated.folder, "older"))
  // The sent types are the current ones; older definitions only fill gaps.
  const sent = new Map([...received].map(([id, definition]) => [id, definitions.get(id) ?? definition]))
  const all = findMethods(received, stable)
  const sides = findSides(received, all)
  for (const what of sides.opaque) console.error(`Read as unknown: ${what}`)
  return emit(version, { sent, received }, all, sides)
})

const read = (file: string): string | undefined => {
  // A checkout on Windows may have other line endings.
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8").replaceAll("\r\n", "\n") : undefined
}

const differing = [...modules].filter(([name, text]) => read(path.join(source, name)) !== text)

if (process.argv.includes("--check")) {
  for (const [name] of differing) {
    console.error(`packages/protocol/src/${name} differs from what codegen generates. Run \`npm run codegen\`.`)
  }
  if (differing.length > 0) process.exitCode = 1
} else {
  for (const [name, text] of differing) fs.writeFileSync(path.join(source, name), text)
  console.log(differing.length === 0 ? "Nothing changed" : `Wrote ${differing.map(([name]) => name).join(", ")}`)
}
