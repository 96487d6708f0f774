/**
 * Writes `src/internal/version.ts` from package.json: the library tells its version also where it is bundled and has no
 * package.json beside it. A test of the handshake fails when the file is not current.
 */
import * as fs from "node:fs"
import * as path from "node:path"

const folder = path.join(import.meta.dirname, "..")
const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as { version: string }
fs.writeFileSync(
  path.join(folder, "src", "internal", "version.ts"),
  `// Written by scripts/version.ts from package.json.\nexport const version = ${JSON.stringify(version)}\n`
)
