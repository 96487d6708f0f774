/** Measures durations. The wall clock cannot: people and the network set it forwards and backwards. */
import type * as Clock from "effect/Clock"

/** Milliseconds since an arbitrary origin. Only the difference of two readings is meaningful. */
export const millis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
