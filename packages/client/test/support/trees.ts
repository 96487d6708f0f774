/** Folders on the disk, for tests of their snapshots. */
import { type Checkpoints, Codex } from "@effect-codex/client"
import { CodexTest } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/** A folder to work in, and one for checkpoints. Both are removed with the scope. */
export const folders = Effect.acquireRelease(
  Effect.sync(() => {
    const base = realpathSync(mkdtempSync(join(tmpdir(), "checkpoints-")))
    const folder = join(base, "work")
    mkdirSync(folder)
    return { base, folder, directory: join(base, "store") }
  }),
  ({ base }) => Effect.sync(() => rmSync(base, { recursive: true, force: true }))
)

export const write = (folder: string, files: Readonly<Record<string, string | Uint8Array>>): void => {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
}

const separator = Buffer.from("/")

/** What is in a folder: contents, permissions and links, by the bytes of the name. */
export const treeOf = (folder: string, isLeftOut = (name: string) => name === ".git"): Record<string, string> => {
  const tree: Record<string, string> = {}
  const walk = (path: Buffer, shown: string): void => {
    for (const name of readdirSync(path, { encoding: "buffer" })) {
      const below = Buffer.concat([path, separator, name])
      const label = `${shown}${name.toString("latin1")}`
      if (isLeftOut(name.toString("latin1"))) continue
      const stats = lstatSync(below)
      if (stats.isDirectory()) walk(below, `${label}/`)
      else if (stats.isSymbolicLink()) tree[label] = `-> ${readlinkSync(below, "latin1")}`
      else tree[label] = `${(stats.mode & 0o777).toString(8)} ${readFileSync(below).toString("latin1")}`
    }
  }
  walk(Buffer.from(folder), "")
  return tree
}

/** A hash of everything below a folder, times of change included. */
export const hashOf = (folder: string): string => {
  const hash = createHash("sha256")
  const walk = (path: string): void => {
    for (const name of readdirSync(path).sort()) {
      const below = join(path, name)
      const stats = lstatSync(below)
      hash.update(`${below}\0${stats.mode}\0${stats.mtimeMs}\0${stats.isFile() ? stats.size : ""}\0`)
      if (stats.isDirectory()) walk(below)
      else if (stats.isFile()) hash.update(readFileSync(below))
    }
  }
  walk(folder)
  return hash.digest("hex")
}

/** The git of the user. */
export const git = (folder: string, ...args: ReadonlyArray<string>): string =>
  execFileSync("git", ["-c", "user.name=u", "-c", "user.email=u@example.com", ...args], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" }
  })

/** Runs a turn in memory, which does this to the folder. Succeeds with the turn's id. */
export const turn = (checkpoints: Checkpoints.Checkpoints["Service"], edit: () => void) =>
  Effect.gen(function*() {
    const thread = yield* (yield* Codex.Codex).startThread()
    const { id } = yield* Effect.tap(thread.run("Go."), () => Effect.sync(edit)).pipe(checkpoints.track(thread))
    return id
  })

export const services = Layer.merge(CodexTest.layerText("Done."), NodeServices.layer)
