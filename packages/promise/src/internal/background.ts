/**
 * A client that does not keep its program alive. Node ends a program that waits for nothing else, so the user of this
 * layer must keep it alive while the client works.
 *
 * The client does not expose Node's `ChildProcess`, so this finds it on Node's diagnostics channel `child_process`. In
 * a runtime without the channel, the process keeps the program alive.
 */
import { AppServer } from "@effect-codex/client/AppServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ChildProcess } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"

const isNews = (message: unknown): message is { readonly process: ChildProcess } =>
  typeof message === "object" && message !== null && "process" in message

const isHandle = (u: unknown): u is { readonly unref: () => void } =>
  typeof u === "object" && u !== null && "unref" in u && typeof u.unref === "function"

const sleep = (duration: Duration.Duration): Effect.Effect<void> =>
  Effect.callback((resume) => {
    // Node's longest timer, which is longer than any wait of the client.
    const timer = setTimeout(() => resume(Effect.void), Math.min(Duration.toMillis(duration), 2 ** 31 - 1))
    timer.unref()
    return Effect.sync(() => clearTimeout(timer))
  })

export const layer = <A, E>(client: Layer.Layer<A | AppServer, E>): Layer.Layer<A | AppServer, E> =>
  Layer.effectContext(Effect.gen(function*() {
    const clock: Clock.Clock = Object.assign(Object.create(yield* Clock.Clock), { sleep })
    const children: Array<ChildProcess> = []
    const note = (message: unknown): void => {
      if (isNews(message)) children.push(message.process)
    }
    const services = yield* Effect.acquireUseRelease(
      Effect.sync(() => subscribe("child_process", note)),
      () => Effect.provideService(Layer.build(client), Clock.Clock, clock),
      () => Effect.sync(() => unsubscribe("child_process", note))
    )
    const { pid } = Context.get(services, AppServer)
    const child = children.find((child) => child.pid === pid)
    for (const handle of child === undefined ? [] : [child, ...child.stdio]) if (isHandle(handle)) handle.unref()
    return services
  }))
