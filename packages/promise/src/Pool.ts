/**
 * Many codex processes behind one client.
 *
 * @since 0.1.0
 */
import type { ProcessStats as EffectProcessStats } from "@effect-codex/node/CodexPool"
import type { Time } from "./Options.ts"

/**
 * Options of `Codex.start({ pool })`: many codex processes that share a `CODEX_HOME`, for when codex itself is the
 * limit. A new thread goes to the process with the least to do; a process that ends or hangs is replaced.
 *
 * @category options
 * @since 0.1.0
 */
export interface PoolOptions {
  /** How many processes. Default: one for each processor that this program may use, up to 4. */
  readonly processes?: number | undefined
  /** Whether to keep one more process started, which takes the place of one that ends. Default: false. */
  readonly spare?: boolean | undefined
  /**
   * Replaces a process that has run for `age`, or on which `threads` threads were placed, once nothing runs in it.
   * Default: never.
   */
  readonly recycleAfter?: { readonly age?: Time | undefined; readonly threads?: number | undefined } | undefined
  /** How long a process may neither answer nor say anything before it is replaced. Default: 30 seconds. */
  readonly hangTimeout?: Time | undefined
}

/**
 * What one process of a pool does and uses. What the system does not tell is undefined.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProcessStats extends Omit<EffectProcessStats, "age" | "descriptors" | "residentMemory"> {
  /** How long it has run, in milliseconds. */
  readonly age: number
  /** The open file descriptors and their limit. */
  readonly descriptors: { readonly open: number; readonly limit: number } | undefined
  /** The memory that it occupies, in bytes. */
  readonly residentMemory: number | undefined
}

/**
 * The processes of a pool at a moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolStats {
  readonly processes: ReadonlyArray<ProcessStats>
  /** The id of the spare process, if one waits. */
  readonly sparePid: number | undefined
}
