/** Services that are captured in one place and used in another. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** Provides effects with the services of this context but not with its span: their spans belong under the caller's. */
export const provider = <R>(context: Context.Context<R>) => {
  // Effects do not declare the parent span as a requirement, so the type stays the same.
  const services = Context.omit(Tracer.ParentSpan)(context) as Context.Context<R>
  return <A, E, R1>(effect: Effect.Effect<A, E, R1>): Effect.Effect<A, E, Exclude<R1, R>> =>
    Effect.provideContext(effect, services)
}
