/**
 * Detects that a program and its fake can do nothing more without the clock.
 *
 * Effect does not expose whether fibers are ready to run. So this observes from outside: nothing runs if no frame has
 * passed between a client and a fake for many rounds of the event loop.
 */
import * as Effect from "effect/Effect"

let frames = 0

/** The number of frames that have passed so far. */
export const passedFrames = (): number => frames

/** Counts a frame that passes between a client and a fake. */
export const framePassed = (): void => {
  frames++
}

// Captured at load, because tests may replace the timers of the platform.
const { clearTimeout, setImmediate = undefined, setTimeout } = globalThis

const round = Effect.callback<void>((resume) => {
  const next = () => resume(Effect.void)
  if (setImmediate === undefined) setTimeout(next, 0)
  else setImmediate(next)
})

// A round runs everything that is ready when it begins. A program needs about ten rounds between two frames.
const quietRounds = 128

export const settle: Effect.Effect<void> = Effect.suspend(() => {
  let seen = frames
  let quiet = 0
  return Effect.whileLoop({
    while: () => quiet < quietRounds,
    body: () => round,
    step: () => {
      quiet = frames === seen ? quiet + 1 : 0
      seen = frames
    }
  })
})

/** Waits in real time, whatever the `Clock` is. */
export const realTime = (millis: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => clearTimeout(timer))
  })
