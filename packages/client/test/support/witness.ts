/** Collects everything that a program can see, and fails if a key or a token is in it. */
import type { Auth } from "@effect-codex/client"
import { AppServerRpc } from "@effect-codex/client"
import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, References, type Scope, Tracer } from "effect"
import { inspect } from "node:util"

const part = (claims: object) => Buffer.from(JSON.stringify(claims)).toString("base64url")

export const key = "sk-4f0c2a97d1"
export const token = [
  part({ alg: "none" }),
  part({ email: "someone@example.com", "https://api.openai.com/auth": { chatgpt_account_id: "ws-1" } }),
  "c2lnbmF0dXJl"
].join(".")
export const badToken = "tok-8be13c5590"

export interface Witness {
  readonly see: (value: unknown) => void
  readonly seeExit: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<Exit.Exit<A, E>>
  readonly told: () => string
  readonly observe: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const json = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? ""
  } catch {
    return ""
  }
}

export const makeWitness = (): Witness => {
  const texts: Array<string> = []
  const spans: Array<Tracer.Span> = []
  const see = (value: unknown): void => {
    texts.push(inspect(value, { depth: 12, showHidden: true }), json(value), String(value))
    if (Cause.isCause(value)) texts.push(Cause.pretty(value))
    if (value instanceof Error) {
      texts.push(value.stack ?? "")
      if (value.cause !== undefined) see(value.cause)
    }
  }
  const logger = Logger.make<unknown, void>(({ cause, date, logLevel, message }) => {
    see(message)
    see(cause)
    texts.push(`${date} ${logLevel}`)
  })
  const tracer = Tracer.make({
    span(options) {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return {
    see,
    seeExit: (effect) =>
      Effect.tap(Effect.exit(effect), (exit) =>
        Effect.sync(() => {
          see(exit)
          if (Exit.isFailure(exit)) {
            see(exit.cause)
            see(Cause.squash(exit.cause))
          }
        })),
    told: () => {
      for (const { attributes, links, name, status, ...span } of spans.splice(0)) {
        see([name, attributes, links, (span as Tracer.NativeSpan).events])
        if (status._tag === "Ended") {
          see(status.exit)
          if (Exit.isFailure(status.exit)) see(status.exit.cause)
        }
      }
      return texts.join("\n")
    },
    observe: (effect) =>
      effect.pipe(
        Effect.withSpan("program"),
        Effect.withTracer(tracer),
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "All")
      )
  }
}

const silent = (told: string): void => {
  for (const secret of [key, badToken, ...token.split(".")]) {
    const at = told.indexOf(secret)
    if (at >= 0) assert.fail(`told: ${told.slice(Math.max(0, at - 300), at + 100)}`)
  }
}

export const watched = <E>(test: (witness: Witness) => Effect.Effect<void, E, Scope.Scope>) => {
  const witness = makeWitness()
  return witness.observe(Effect.scoped(test(witness))).pipe(
    Effect.andThen(Effect.sync(() => {
      const told = witness.told()
      // Proves that something was collected: an empty text would hold no secret either.
      assert.include(told, "program")
      silent(told)
    }))
  )
}

/** Builds a login layer on an existing connection. */
export const build = <E>(
  rpc: AppServerRpc.AppServerRpc["Service"],
  layer: Layer.Layer<Auth.Auth, E, AppServerRpc.AppServerRpc>
) => Layer.build(layer.pipe(Layer.provide(Layer.succeed(AppServerRpc.AppServerRpc, rpc))))
