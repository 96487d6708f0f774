/** Spans and metrics of the requests of both sides. Params, results and error messages never enter a span. */
import { clientRequests, serverRequests } from "@effect-codex/protocol/Methods"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { RequestError } from "../../CodexError.ts"
import * as Metrics from "../../Metrics.ts"
import type { Outcome } from "../serverRequests/serverRequestFibers.ts"

/** Caches the metric with its attributes for each of a few keys. */
export const byAttributes = <K extends string, Input, State>(
  metric: Metric.Metric<Input, State>,
  attributesOf: (key: K) => Record<string, string>
): (key: K) => Metric.Metric<Input, State> => {
  const known = new Map<K, Metric.Metric<Input, State>>()
  return (key) => {
    const made = known.get(key) ?? Metric.withAttributes(metric, attributesOf(key))
    known.set(key, made)
    return made
  }
}

/** Bounds the values of the metric's attribute: unknown methods count as one. */
const few = (method: string, known: object): string => Object.hasOwn(known, method) ? method : "unknown"

const answeredIn = byAttributes(Metrics.requestDuration, (method: string) => ({ method, outcome: "ok" }))

/** The W3C trace context of the span, or of its nearest ancestor that propagates. */
export const traceOf = (span: Tracer.AnySpan): { readonly traceparent: string } | undefined => {
  if (!Context.get(span.annotations, Tracer.DisablePropagation)) {
    return { traceparent: `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}` }
  }
  return span._tag === "Span" && Option.isSome(span.parent) ? traceOf(span.parent.value) : undefined
}

const inSpan = <A, E extends RequestError>(
  method: string,
  clock: Clock.Clock,
  request: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.flatMap(
    Effect.makeSpan(`AppServerRpc.${method}`, {
      kind: "client",
      attributes: { "rpc.system": "jsonrpc", "rpc.method": method }
    }),
    (span) =>
      Effect.onExitPrimitive(Effect.withParentSpan(request, span), (exit) => {
        let ending: Exit.Exit<void, string> = Exit.void
        if (Exit.isFailure(exit)) {
          const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
          if (error !== undefined) {
            span.attribute("error.type", error._tag)
            if ("detail" in error && "code" in error) span.attribute("rpc.jsonrpc.error_code", error.code)
          }
          ending = error === undefined ? Exit.interrupt() : Exit.fail(error._tag)
        }
        // oxlint-disable-next-line no-restricted-properties -- a tracer wants the wall clock
        span.end(clock.currentTimeNanosUnsafe(), ending)
        return undefined
      })
  )

export interface RequestTelemetry {
  /** Called by the reader, which never waits. The outcome is `ok` or the tag of an error. */
  readonly answered: (method: string, seconds: number, outcome: string) => void
  readonly request: <A, E extends RequestError>(
    method: string,
    exchanged: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  /** The handler of a server request has ended. */
  readonly handled: (method: string, outcome: Outcome) => void
  /** A server request was answered with an error without running a handler. */
  readonly rejected: (method: string) => void
}

export const make = (clock: Clock.Clock, context: Context.Context<never>): RequestTelemetry => {
  const answered = (name: string, seconds: number, outcome: string): void => {
    const method = few(name, clientRequests)
    const metric = outcome === "ok"
      ? answeredIn(method)
      : Metric.withAttributes(Metrics.requestDuration, { method, outcome })
    metric.updateUnsafe(seconds, context)
  }

  const request = <A, E extends RequestError>(method: string, exchanged: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    // Nobody sees the spans of the native tracer.
    Effect.flatMap(
      Tracer.Tracer,
      (tracer) => tracer === Tracer.nativeTracer ? exchanged : inSpan(method, clock, exchanged)
    )

  const asked = (name: string, outcome: Outcome | "rejected"): void => {
    const method = few(name, serverRequests)
    Metric.withAttributes(Metrics.serverRequests, { method, outcome }).updateUnsafe(1, context)
  }

  return {
    answered,
    request,
    handled: asked,
    rejected: (name) => asked(name, "rejected")
  }
}
