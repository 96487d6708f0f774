/** Loads a module when a layer needs it, because loading it takes as long as loading a large part of the client. */
import * as Effect from "effect/Effect"

/** @param what names the module in the error of a bundle that cannot load it. */
export const load = <A extends object>(what: string, module: () => Promise<A | undefined>): Effect.Effect<A> =>
  Effect.promise(async () => {
    const loaded = await module()
    // Some bundlers resolve the import to undefined: see `load.ts` of the client.
    if (loaded !== undefined) return loaded
    throw new Error(
      `The bundler has put ${what} behind the top-level \`await\` of the program, where it is never reached. Let ` +
        "the bundler split the code, or start the program without a top-level `await`."
    )
  })
