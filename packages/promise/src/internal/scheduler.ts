/** The scheduler of this package's fibers. It keeps the timers from when the module was loaded. */
import { MixedScheduler } from "effect/Scheduler"

// Effect looks up the global at each call, so it hangs while a test replaces it with fake timers, such as
// `mock.timers.enable()` of node:test.
const { clearImmediate, setImmediate } = globalThis

export const scheduler = new MixedScheduler("async", (f) => {
  const immediate = setImmediate(f)
  return () => clearImmediate(immediate)
})
