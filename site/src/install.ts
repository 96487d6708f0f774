/** Installs what makes the site, unless it is there. Kept out of the workspace, whose `npm ci` would take it along. */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"

const site = Path.resolve(import.meta.dirname, "..")
const lock = createHash("sha256").update(Fs.readFileSync(Path.join(site, "package-lock.json"))).digest("hex")
const marker = Path.join(site, "node_modules", ".installed")

if (!Fs.existsSync(marker) || Fs.readFileSync(marker, "utf8") !== lock) {
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: site,
    stdio: "inherit",
    shell: process.platform === "win32"
  })
  Fs.writeFileSync(marker, lock)
}
