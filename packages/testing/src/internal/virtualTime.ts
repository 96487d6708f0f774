/**
 * When a program and its fake have done all that they can without the clock.
 *
 * Effect tells nobody whether fibers are ready to run, so this watches: nothing runs once the event loop has gone round many
 * times and no frame has passed between a client and a fake.
 */
import * as Effect from "effect/Effect"

let frames = 0

/** How many frames have passed so far. */
export const passedFrames = (): number => frames

/** A frame has passed between a client and a fake. */
export const framePassed = (): void => {
  frames++
}

// Captured, because tests replace the timers of the platform.
const { clearTimeout, setImmediate = undefined, setTimeout } = globalThis

const round = Effect.callback<void>((resume) => {
  const next = () => resume(Effect.void)
  if (setImmediate === undefined) setTimeout(next, 0)
  else setImmediate(next)
})

// A round runs all that is ready when it begins. Between two frames a program takes some ten.
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

/** Waits by the clock on the wall. */
export const realTime = (millis: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => clearTimeout(timer))
  })
