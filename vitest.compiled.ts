/**
 * Many tests start a program that reads the sources, which takes a third less when they were compiled before (measured). The
 * folder is one for each run and is gone after it.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export default (): void => {
  const folder = mkdtempSync(join(tmpdir(), "effect-codex-compiled-"))
  process.env["NODE_COMPILE_CACHE"] = folder
  // Not when the tests have ended: the workers write what they compiled when they end.
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
}
