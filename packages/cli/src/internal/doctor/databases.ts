/**
 * Looks whether another program keeps a database of codex locked. codex itself waits 15 seconds for it, and then either
 * ends or goes on without being able to write.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Sqlite from "node:sqlite"
import { type Check, check } from "./report.ts"

/** What codex itself holds a lock for is over sooner. */
const patience = 500

// codex has about ten.
const most = 50

// Node calls the module experimental whenever it is loaded. Only two calls of it are used, which have not changed.
const load = Effect.promise(async () => {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    const loaded: typeof Sqlite = await import("node:sqlite")
    return loaded
  } catch {
    return undefined
  } finally {
    process.emitWarning = emitWarning
  }
})

const busy = 5

/** Takes and releases the lock of a writer. Changes nothing. */
const isLocked = (sqlite: typeof Sqlite, file: string): boolean => {
  let database: Sqlite.DatabaseSync | undefined
  try {
    database = new sqlite.DatabaseSync(file, { timeout: patience })
    database.exec("BEGIN IMMEDIATE")
    database.exec("ROLLBACK")
    return false
  } catch (error) {
    // Whatever else is wrong with it, codex tells.
    return error instanceof Error && "errcode" in error && error.errcode === busy
  } finally {
    database?.close()
  }
}

export const databases = Effect.fnUntraced(function*(home: string) {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  const names = (yield* Effect.orElseSucceed(fs.readDirectory(home), () => []))
    .filter((name) => name.endsWith(".sqlite")).sort().slice(0, most)
  if (names.length === 0) return check("databases", "ok", "there are none yet")
  const sqlite = yield* load
  if (sqlite === undefined) return check("databases", "skip", "this Node cannot look at them")
  const locked = names.find((name) => isLocked(sqlite, join(home, name)))
  return found(names.length, locked)
})

const found = (count: number, locked: string | undefined): Check =>
  locked === undefined
    ? check("databases", "ok", `none of ${count} is locked`)
    : check(
      "databases",
      "warn",
      `another program keeps ${locked} locked`,
      "End the program that uses this CODEX_HOME (another codex, an editor), or give each a CODEX_HOME of its own."
    )
