/** Services that are taken at one place and used at another. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** Gives effects the services of this context, but not its span: what they do belongs to the span that they run in. */
export const provider = <R>(context: Context.Context<R>) => {
  // The span is nothing that an effect asks for.
  const services = Context.omit(Tracer.ParentSpan)(context) as Context.Context<R>
  return <A, E, R1>(effect: Effect.Effect<A, E, R1>): Effect.Effect<A, E, Exclude<R1, R>> =>
    Effect.provideContext(effect, services)
}
