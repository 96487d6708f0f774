/** The names of rollouts, the files in which codex keeps threads. */

/** `rollout-<when>-<thread>.jsonl`, and `rollout-<when>-<thread>_<segment>.jsonl` after a revert. */
const dated = /^rollout-(\d{4})-(\d{2})-(\d{2})T\d{2}-\d{2}-\d{2}-(.+)\.jsonl$/

const archive = "archived_sessions"

const nameOf = (file: string): string => file.slice(file.lastIndexOf("/") + 1)

/** A part of a path that is no more than a name on every system. */
const isPlain = (part: string): boolean => /^[\w.-]+$/.test(part) && !/^\.+$/.test(part)

/** Whether a file in a folder of rollouts is one of this thread. */
export const isOf = (name: string, threadId: string): boolean => {
  const id = dated.exec(name)?.[4]
  return id !== undefined && (id === threadId || id.startsWith(`${threadId}_`))
}

/** Whether the store's name of a file stays below `sessions`, and is the name of a file of this thread. */
export const isSafe = (file: string, threadId: string): boolean => {
  const parts = file.split("/")
  return parts.length > 1 && parts[0] === "sessions" && parts.every(isPlain) && isOf(nameOf(file), threadId)
}

/** The file under which the store keeps a rollout: archiving moves it, and its name tells where it was. */
export const keyOf = (relative: string): string => {
  const path = relative.replaceAll("\\", "/")
  const date = dated.exec(nameOf(path))
  return path.startsWith(`${archive}/`) && date !== null
    ? `sessions/${date[1]}/${date[2]}/${date[3]}/${nameOf(path)}`
    : path
}

/** Where a rollout lies while its thread is archived. */
export const archived = (file: string): string => `${archive}/${nameOf(file)}`

const segmentOf = (file: string): string => /_([^_/]*)\.jsonl$/.exec(file)?.[1] ?? ""

/** The files of a thread in the order in which codex began them. Ids of segments begin with their time. */
export const inOrder = (files: Iterable<string>): ReadonlyArray<string> =>
  [...new Set(files)].sort((a, b) => (segmentOf(a) < segmentOf(b) ? -1 : 1))

const day = 24 * 60 * 60 * 1000

/** The folders that may have the file of a thread or a segment: those of the days around the time in its id. */
export const foldersOf = (id: string): ReadonlyArray<string> => {
  const time = Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)
  const isTime = /^[\da-f]{8}-[\da-f]{4}-7/.test(id)
  return isTime
    ? [-day, 0, day].map((off) => `sessions/${new Date(time + off).toISOString().slice(0, 10).replaceAll("-", "/")}`)
    : []
}
