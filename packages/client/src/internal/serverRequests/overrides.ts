/** Captures the services that handlers require, and carries handlers to a client through the context. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Handler, Handlers, Method, Overrides, RawHandler, RawRequest, Request } from "../../ServerRequests.ts"
import * as CapturedServices from "../capturedServices.ts"

type Name = Exclude<keyof Handlers, "raw">

// Listed here because importing the protocol's table would load its schemas.
const all: { readonly [N in Name]: true } = {
  "account/chatgptAuthTokens/refresh": true,
  applyPatchApproval: true,
  "attestation/generate": true,
  "currentTime/read": true,
  execCommandApproval: true,
  "item/commandExecution/requestApproval": true,
  "item/fileChange/requestApproval": true,
  "item/permissions/requestApproval": true,
  "item/tool/call": true,
  "item/tool/requestUserInput": true,
  "mcpServer/elicitation/request": true,
  mcpToolApproval: true
}

const names = Object.keys(all) as ReadonlyArray<Name>

// The one place that iterates over a record of handlers, whose members have different types.
const entries = <R = never>(handlers: Overrides<unknown>): Array<readonly [Name, Handler<Method, R>]> =>
  names.flatMap((name) => {
    const handler = handlers[name] as Handler<Method, R> | undefined
    return handler === undefined ? [] : [[name, handler] as const]
  })

const rawEntries = <R>({ raw }: Overrides<R>): Array<readonly [method: string, RawHandler<R>]> =>
  Object.entries(raw ?? {}).flatMap(([method, handler]) => handler === undefined ? [] : [[method, handler] as const])

/** Provides handlers with the services that they require, from the current context. */
export const capture = <R>(handlers: Overrides<R>): Effect.Effect<Overrides, never, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const provide = CapturedServices.provider(context)
    return Effect.succeed({
      ...Object.fromEntries(
        entries<R>(handlers).map(([name, handler]) => [name, (request: Request<Method>) => provide(handler(request))])
      ),
      raw: Object.fromEntries(
        rawEntries(handlers).map(([method, handler]) => [method, (request: RawRequest) => provide(handler(request))])
      )
    })
  })

// One reference per handler, so that layers of different handlers can be merged in any order.
const references = names.map((name) =>
  [
    name,
    Context.Reference<Handler<Method> | undefined>(`@effect-codex/client/ServerRequests/${name}`, {
      defaultValue: () => undefined
    })
  ] as const
)

const rawPrefix = "@effect-codex/client/ServerRequests/raw/"

const rawReference = (method: string) =>
  Context.Reference<RawHandler | undefined>(`${rawPrefix}${method}`, { defaultValue: () => undefined })

/** A layer that adds handlers to the context in which a client is built. */
export const layerOf = <R>(handlers: Overrides<R>): Layer.Layer<never, never, R> =>
  Layer.effectContext(
    Effect.map(capture(handlers), (provided) => {
      const given = new Map(entries(provided))
      const typed = references.reduce((context, [name, reference]) => {
        const handler = given.get(name)
        return handler === undefined ? context : Context.add(context, reference, handler)
      }, Context.empty())
      return rawEntries(provided).reduce(
        (context, [method, handler]) => Context.add(context, rawReference(method), handler),
        typed
      )
    })
  )

/** Reads the handlers from a context. */
export const provided = (context: Context.Context<never>): Partial<Handlers> => ({
  ...Object.fromEntries(references.flatMap(([name, reference]) => {
    const handler = Context.get(context, reference)
    return handler === undefined ? [] : [[name, handler]]
  })),
  raw: Object.fromEntries(
    [...context.mapUnsafe].flatMap(([key, handler]) =>
      key.startsWith(rawPrefix) ? [[key.slice(rawPrefix.length), handler as RawHandler]] : []
    )
  )
})
