/**
 * Prints what the protocol gained, lost and changed between two versions: `node
 * packages/protocol/scripts/compareVersions.ts [--write] <from> <to>`. Each argument is a file that would import that
 * version, such as its folder's `package.json`. `--write` adds what only the older version sends to `older.json`.
 */
import * as path from "node:path"
import { parseArgs } from "node:util"
import { findBinary, withGenerated } from "./codex.ts"
import { addOlder, compare, describe } from "./compare.ts"
import { readOlder, writeOlder } from "./older.ts"
import { readProtocol } from "./protocol.ts"

const { positionals: [from, to], values } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean", default: false } }
})
if (from === undefined || to === undefined) {
  console.error(
    "usage: node packages/protocol/scripts/compareVersions.ts [--write] <file that imports one> <that of the other>"
  )
  process.exit(2)
}

const read = (file: string) => withGenerated(findBinary(path.resolve(file)), readProtocol)
const comparison = compare(read(from), read(to))
console.log(describe(comparison))
if (values.write) writeOlder(addOlder(readOlder(), comparison.older))
