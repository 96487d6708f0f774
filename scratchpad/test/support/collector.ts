/** An OpenTelemetry collector on loopback that keeps what it is sent. */
import { Effect, type Scope } from "effect"
import * as Http from "node:http"

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: string | number }
}

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly attributes: ReadonlyArray<Attribute>
}

interface Metric {
  readonly name: string
}

interface Body {
  readonly resourceSpans?: ReadonlyArray<
    { readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Span> }> }
  >
  readonly resourceMetrics?: ReadonlyArray<
    { readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<Metric> }> }
  >
}

export interface Collector {
  readonly url: string
  readonly spans: () => ReadonlyArray<Span>
  readonly metrics: () => ReadonlySet<string>
  /** Everything that came, as it came. */
  readonly text: () => string
}

/** The names of a span and of those around it. */
export const pathOf = (spans: ReadonlyArray<Span>, span: Span): ReadonlyArray<string> => {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId)
  return [...(parent === undefined ? [] : pathOf(spans, parent)), span.name]
}

export const make: Effect.Effect<Collector, never, Scope.Scope> = Effect.gen(function*() {
  const texts: Array<string> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((request, response) => {
        let text = ""
        request.setEncoding("utf8").on("data", (part: string) => {
          text += part
        }).on("end", () => {
          texts.push(text)
          response.setHeader("content-type", "application/json").end("{}")
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const address = server.address()
  const bodies = () => texts.map((text) => JSON.parse(text) as Body)
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`,
    spans: () =>
      bodies().flatMap(({ resourceSpans }) =>
        (resourceSpans ?? []).flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
      ),
    metrics: () =>
      new Set(
        bodies().flatMap(({ resourceMetrics }) =>
          (resourceMetrics ?? []).flatMap(({ scopeMetrics }) =>
            scopeMetrics.flatMap(({ metrics }) => metrics.map(({ name }) => name))
          )
        )
      ),
    text: () => texts.join("\n")
  }
})
