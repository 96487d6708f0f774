/** The names of rollouts, the files in which codex keeps threads. */

/** `rollout-<when>-<thread>.jsonl`, and `rollout-<when>-<thread>_<segment>.jsonl` after a revert. */
const dated = /^rollout-(\d{4})-(\d{2})-(\d{2})T/

const archive = "archived_sessions"

const nameOf = (file: string): string => file.slice(file.lastIndexOf("/") + 1)

/** A part of a path that is no more than a name on every system. */
const isPlain = (part: string): boolean => /^[\w.-]+$/.test(part) && !/^\.+$/.test(part)

/** Whether the store's name of a file stays below `sessions`, and codex reads a file of this name. */
export const isSafe = (file: string): boolean => {
  const parts = file.split("/")
  return parts.length > 1 && parts[0] === "sessions" && parts.every(isPlain) && file.endsWith(".jsonl")
}

/** Whether a file in a folder of rollouts is one of this thread. */
export const isOf = (name: string, threadId: string): boolean =>
  name.startsWith("rollout-") && name.endsWith(".jsonl") && name.includes(threadId)

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

/** Of the files of a thread, the one that codex goes on with. Ids of segments begin with their time. */
export const newestOf = (files: Iterable<string>): string | undefined => {
  const segmentOf = (file: string): string => /_([^_/]*)\.jsonl$/.exec(file)?.[1] ?? ""
  let newest: string | undefined
  for (const file of files) {
    if (newest === undefined || segmentOf(file) > segmentOf(newest)) newest = file
  }
  return newest
}
