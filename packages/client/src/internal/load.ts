/**
 * What is loaded when a layer is built, and not with the program that names it. Where the layer starts codex, that is
 * starting meanwhile, so nobody waits for it; a program that replaces the services loads none of it.
 */
import * as Effect from "effect/Effect"

/**
 * A bundle in one file may have the module after a top-level await of its entry, which waits for what needs the module: then
 * there is none, and never will be.
 */
const loaded = <A extends object>(load: () => Promise<A | undefined>): Effect.Effect<A> =>
  Effect.flatMap(Effect.promise(load), (module) =>
    module === undefined
      ? Effect.die(
        new Error(
          "effect-codex loads a part of itself when it is wanted, and the bundler has put that part behind the top-level " +
            "`await` of the program, where it is never reached. Let the bundler split the code (rollup: without " +
            "`inlineDynamicImports`), or start the program without a top-level `await`: `NodeRuntime.runMain(program)` or " +
            "`void main()`."
        )
      )
      : Effect.succeed(module))

/** The connection and the client, at once: who makes the one nearly always makes the other after it. */
export const implementation = loaded(() => import("./implementation.ts"))

/** The WebSocket, which most do without. */
export const webSocket = loaded(() => import("./wire/webSocket.ts"))
