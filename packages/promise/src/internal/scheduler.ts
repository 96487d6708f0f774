/** How the fibers of this package yield: with the timer as it was when the module was loaded. */
import { MixedScheduler } from "effect/Scheduler"

// Effect looks the global up at each call, and hangs while a test has replaced it: by `mock.timers.enable()` of node:test, or
// by fake timers.
const { clearImmediate, setImmediate } = globalThis

export const scheduler = new MixedScheduler("async", (f) => {
  const immediate = setImmediate(f)
  return () => clearImmediate(immediate)
})
