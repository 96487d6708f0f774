import { Effect, FileSystem, Path } from "effect"

/** What to write: a program, a plain file, a link to a path relative to its own folder, or a folder. */
export type Entry =
  | "program"
  | "text"
  | "folder"
  | { readonly link: string }
  | { readonly script: string }

/** Writes files below a folder that is removed with the scope, and gives the folder. */
export const tree = Effect.fnUntraced(function*(entries: Readonly<Record<string, Entry>>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  // The system's temporary directory is itself behind a link on some systems.
  const root = yield* fs.realPath(yield* fs.makeTempDirectoryScoped({ prefix: "effect-codex-node-" }))
  for (const [name, entry] of Object.entries(entries)) {
    const file = path.join(root, name)
    yield* fs.makeDirectory(path.dirname(file), { recursive: true })
    if (entry === "folder") yield* fs.makeDirectory(file, { recursive: true })
    else if (entry === "text") yield* fs.writeFileString(file, "text")
    else if (entry === "program") yield* fs.writeFileString(file, "#!/bin/sh\nexit 1\n", { mode: 0o755 })
    else if ("script" in entry) yield* fs.writeFileString(file, entry.script, { mode: 0o755 })
    else yield* fs.symlink(entry.link, file)
  }
  return { root, at: (name: string) => path.join(root, name) }
})
