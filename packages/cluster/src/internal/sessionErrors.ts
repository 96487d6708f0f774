/** What carrying sessions fails with, beyond the errors of the store. */
import { TaggedError } from "@effect-codex/client/internal/taggedError"
import * as Inspectable from "effect/Inspectable"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * A file of a thread could not be read or written on this machine, or codex did not say where it lies. What was stored
 * stays stored.
 *
 * **Details**
 *
 * - `find`: codex could not be asked for the file, or keeps none, as for an ephemeral thread.
 * - `read`: the file, or its folder, is not readable, or was cut behind codex's back.
 * - `write`: the file could not be written: no space, no permission.
 * - `place`: the store's name for the file leads out of `CODEX_HOME/sessions`, or to a file of another thread, or lines
 *   of it are missing in the store. Nothing of that file was written.
 * - `replace`: codex on this machine knows an older history of the thread and refuses to forget it, because a fork in
 *   the same home needs it. Restore the thread in another `CODEX_HOME`.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionFileError
  extends TaggedError<SessionFileError>("@effect-codex/cluster/CodexSession/SessionFileError")(
    "SessionFileError",
    {
      threadId: Schema.String,
      operation: Schema.Literals(["find", "read", "write", "place", "replace"]),
      /** The file's path below `CODEX_HOME`, or its full path. Empty when it is not known. */
      file: Schema.String,
      cause: Schema.Defect()
    }
  )
{
  override get message(): string {
    const why = Predicate.hasProperty(this.cause, "message")
      ? this.cause.message
      : Inspectable.toStringUnknown(this.cause)
    const file = this.file === "" ? "the history" : JSON.stringify(this.file)
    return `could not ${this.operation} ${file} of thread ${this.threadId}: ${why}`
  }
}
