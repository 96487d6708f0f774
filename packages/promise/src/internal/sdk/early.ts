/**
 * Starts codex for the first turn while the client is loaded. Neither this module nor what it imports imports Effect.
 */
import * as EarlyProcess from "@effect-codex/node/internal/earlyProcess"
import { check, type Run } from "./checks.ts"
import { serverOptions } from "./serverOptions.ts"

/** Gives what ends the process if the turn did not take it. What is wrong with the turn is told by the turn. */
export const start = (run: Run): () => void => {
  if (run.turnOptions.signal?.aborted === true) return () => {}
  try {
    check(run)
    return EarlyProcess.start(serverOptions(run.codexOptions))
  } catch {
    return () => {}
  }
}
