/** Any edits, and the way back through all of them. */
import { Checkpoints } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Option, Schema } from "effect"
import { chmodSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { folders, services, treeOf, turn } from "../support/trees.ts"

const Edit = Schema.Struct({
  path: Schema.Literals(["a", "b", "-c d", "e/f", "e/g", "a/h", "e/f/i", "j\nk/l", "\u00e9/m"]),
  what: Schema.Literals(["text", "crlf", "bytes", "script", "link", "broken link", "folder link", "remove", "mode"])
})
const Turns = Arbitrary.array(Arbitrary.array(Arbitrary.schema(Edit), { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 4
})

const runs = Number(process.env["CHECKPOINT_RUNS"] ?? 5)

const statsOf = (file: string) => {
  try {
    return lstatSync(file)
  } catch {
    return undefined
  }
}

const clear = (folder: string, path: string): void => {
  if (statsOf(join(folder, path)) !== undefined) rmSync(join(folder, path), { recursive: true })
  // What was a file or a link has to give way to a folder.
  for (let above = dirname(path); above !== "."; above = dirname(above)) {
    if (statsOf(join(folder, above))?.isDirectory() === false) rmSync(join(folder, above))
  }
  mkdirSync(dirname(join(folder, path)), { recursive: true })
}

const edit = (folder: string, n: number, { path, what }: typeof Edit.Type): void => {
  const file = join(folder, path)
  const stats = statsOf(file)
  if (what === "mode") {
    if (stats?.isFile() === true) chmodSync(file, stats.mode ^ 0o111)
    return
  }
  clear(folder, path)
  if (what === "text") writeFileSync(file, `text ${n}\nmore\n`)
  if (what === "crlf") writeFileSync(file, `text ${n}\r\nmore\n`)
  if (what === "bytes") writeFileSync(file, Uint8Array.of(0, 255, n, 13, 10))
  if (what === "script") writeFileSync(file, `#!/bin/sh\n`, { mode: 0o755 })
  if (what === "link") symlinkSync(`${folder}/a`, file)
  if (what === "broken link") symlinkSync("nowhere", file)
  if (what === "folder link") symlinkSync(`${folder}/e`, file)
}

describe("a rewind", () => {
  it.live.prop(
    "gives back any tree exactly, and the undo of it too",
    [Turns],
    ([turns]) =>
      Effect.gen(function*() {
        const { directory, folder } = yield* folders
        writeFileSync(join(folder, ".gitattributes"), "* text=auto eol=crlf\n")
        const checkpoints = yield* Checkpoints.make({ folder, directory })
        const states = [treeOf(folder)]
        const ids: Array<string> = []
        for (const edits of turns) {
          ids.push(yield* turn(checkpoints, () => edits.forEach((one, n) => edit(folder, n, one))))
          states.push(treeOf(folder))
        }
        const half = Math.floor(ids.length / 2)
        const { id } = yield* checkpoints.rewind(ids[half]!)
        assert.deepStrictEqual(treeOf(folder), states[half])
        if (Option.isSome(id)) yield* checkpoints.rewind(id.value)
        assert.deepStrictEqual(treeOf(folder), states.at(-1))
        yield* checkpoints.rewind(ids[0]!)
        assert.deepStrictEqual(treeOf(folder), states[0])
      }).pipe(Effect.scoped, Effect.provide(services)),
    // Each run starts git some hundred times.
    { timeout: runs * 30_000, arbitrary: { runs } }
  )
})
