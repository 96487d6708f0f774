/**
 * Modules that are loaded when a layer is built, not when a program imports it. If the layer starts codex, loading
 * overlaps with that start and costs no time; a program that replaces the services loads none of them.
 */
import * as Effect from "effect/Effect"

/**
 * In a single-file bundle the module may stand behind a top-level await of the entry, which itself waits for the
 * module. Then `load` yields `undefined`, now and later.
 */
const loaded = <A extends object>(load: () => Promise<A | undefined>): Effect.Effect<A> =>
  Effect.flatMap(Effect.promise(load), (module) =>
    module === undefined
      ? Effect.die(
        new Error(
          "effect-codex loads a part of itself on demand, and the bundler has put that part behind the top-level " +
            "`await` of the program, where it is never reached. Let the bundler split the code (rollup: without " +
            "`inlineDynamicImports`), or start the program without a top-level `await`: `NodeRuntime.runMain(program)` or " +
            "`void main()`."
        )
      )
      : Effect.succeed(module))

/** The connection and the client together: a program that needs one nearly always needs the other. */
export const implementation = loaded(() => import("./implementation.ts"))

/** The workspace, which most programs do not need. */
export const workspace = loaded(() => import("./workspace/workspace.ts"))

/** The configuration, which most programs do not need. */
export const configuration = loaded(() => import("./configuration/configuration.ts"))

/** Skills, MCP servers and other extensions, which most programs do not manage. */
export const extensions = loaded(() => import("./extensions/extensions.ts"))

/** The WebSocket, which most programs do not need. */
export const webSocket = loaded(() => import("./wire/webSocket.ts"))

/** Snapshots of folders, which most programs do not need. */
export const checkpoints = loaded(() => import("./checkpoints/checkpoints.ts"))
