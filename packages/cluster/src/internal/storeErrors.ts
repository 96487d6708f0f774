/** What a store of sessions fails with. */
import { TaggedError } from "@effect-codex/client/internal/taggedError"
import * as Schema from "effect/Schema"

/**
 * The store could not be reached, or refused the call, or did not answer in time. If only its answer was lost, the call
 * has had its effect. It is safe to try again.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionStoreUnavailable
  extends TaggedError<SessionStoreUnavailable>("@effect-codex/cluster/SessionStore/SessionStoreUnavailable")(
    "SessionStoreUnavailable",
    {
      /** What was to be done. */
      operation: Schema.String,
      cause: Schema.Defect()
    }
  )
{
  override get message(): string {
    return `the session store did not ${this.operation}. Nothing was lost: codex keeps its own files. Check the database.`
  }
}

/**
 * Another machine has written this thread: what this machine wrote since is not stored, and never will be.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionFenced
  extends TaggedError<SessionFenced>("@effect-codex/cluster/SessionStore/SessionFenced")("SessionFenced", {
    threadId: Schema.String,
    file: Schema.String,
    /** The number of the first line that the other machine had stored already. */
    line: Schema.Int
  })
{
  override get message(): string {
    return `another machine has continued thread ${this.threadId}. Stop working with it here, and run the turn through the cluster again.`
  }
}

/**
 * The store lacks lines of this file: the thread was forgotten, or the database has lost its last transactions. Nothing
 * was changed. Append again from line `stored`.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionGap extends TaggedError<SessionGap>("@effect-codex/cluster/SessionStore/SessionGap")(
  "SessionGap",
  {
    threadId: Schema.String,
    file: Schema.String,
    /** The number of the first line that was to be appended. */
    line: Schema.Int,
    /** How many lines of the file are stored. */
    stored: Schema.Int
  }
) {
  override get message(): string {
    return `the session store lacks lines ${this.stored} to ${
      this.line - 1
    } of thread ${this.threadId}. Append them first.`
  }
}
