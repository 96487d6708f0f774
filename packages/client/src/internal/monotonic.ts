/** Measures lengths of time. The wall clock must not: it is set, by people and by the network, forwards and backwards. */
import type * as Clock from "effect/Clock"

/** Milliseconds since an arbitrary origin. Only the difference of two readings means something. */
export const millis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
