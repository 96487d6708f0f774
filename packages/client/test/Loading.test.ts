import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { promisify } from "node:util"

/** The modules of this project that a program has loaded when it ends. */
const loadedBy = async (program: string): Promise<ReadonlyArray<string>> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--conditions=@effect-codex/source",
    "--input-type=module",
    "--eval",
    `import { registerHooks } from "node:module"
     const loaded = []
     registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
     const { Codex, AppServerRpc, Transport } = await import("@effect-codex/client")
     const { Effect, Layer } = await import("effect")
     ${program}
     process.stdout.write(JSON.stringify(loaded))`
  ], { cwd: import.meta.dirname })
  const urls: ReadonlyArray<string> = JSON.parse(stdout)
  return urls.flatMap((url) => /\/packages\/(.*)$/.exec(url)?.[1] ?? [])
}

const behindTheServices = [
  "client/src/internal/handles/codex.ts",
  "client/src/internal/rpc/connection.ts",
  "protocol/src/Methods.ts",
  "protocol/src/Received.ts"
]
const webSocket = "client/src/internal/wire/webSocket.ts"

describe("what is behind the services", () => {
  it("is not loaded by a program that replaces them", async () => {
    const loaded = await loadedBy(`
      const mock = Layer.mock(Codex.Codex, { models: () => Effect.succeed([]) })
      await Effect.runPromise(Effect.provide(Effect.flatMap(Codex.Codex, (codex) => codex.models()), mock))
      // Named, as a program does that has a mock and the real one.
      Codex.layer().pipe(Layer.provide(AppServerRpc.layer()))`)
    assert.include(loaded, "client/src/Codex.ts")
    assert.deepStrictEqual(loaded.filter((file) => [...behindTheServices, webSocket].includes(file)), [])
  })

  it("is loaded when a layer is built", async () => {
    const loaded = await loadedBy(`
      const connection = Layer.effect(Transport.Transport, Effect.map(Transport.makeMemory, ([client]) => client))
      const connecting = AppServerRpc.layer({ initializeTimeout: "1 millis" }).pipe(Layer.provide(connection))
      await Effect.runPromise(Effect.scoped(Effect.exit(Layer.build(connecting))))`)
    assert.includeMembers([...loaded], behindTheServices)
    assert.notInclude(loaded, webSocket)
  })
})
