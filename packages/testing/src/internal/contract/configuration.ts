/** Cases about the server's configuration. Each leaves the file as it was. */
import * as Effect from "effect/Effect"
import type { Case } from "./model.ts"
import { equal, fact, refusal, request } from "./story.ts"

const key = "shell_environment_policy.set.CONTRACT"

const edit = (value: string | null) => ({ keyPath: key, value, mergeStrategy: "replace" as const })

const read = Effect.map(request("config/read", { includeLayers: true }), ({ config, layers, origins }) => ({
  version: layers?.find(({ name }) => name.type === "user")?.version ?? "",
  config,
  origin: origins[key]?.name.type
}))

export const cases: ReadonlyArray<Case> = [
  fact(
    "configuration: a write names the new version, and a read the origin of the key",
    Effect.gen(function*() {
      const { version } = yield* read
      const written = yield* request("config/batchWrite", { edits: [edit("one")], expectedVersion: version })
      yield* equal("the reply", [written.status, written.overriddenMetadata], ["ok", null])
      const after = yield* read
      yield* equal("the origin and the version", [after.origin, after.version], ["user", written.version])
      const upsert = {
        keyPath: "shell_environment_policy.set",
        value: { OTHER: "x" },
        mergeStrategy: "upsert" as const
      }
      yield* request("config/batchWrite", { edits: [upsert] })
      yield* equal("the origin after another key", (yield* read).origin, "user")
      yield* request("config/batchWrite", {
        edits: [{ keyPath: "shell_environment_policy", value: null, mergeStrategy: "replace" }]
      })
      yield* equal("the origin at the end", (yield* read).origin, undefined)
    })
  ),

  fact(
    "configuration: a refused write writes nothing, and has a code",
    Effect.gen(function*() {
      const { version } = yield* read
      const write = (edits: ReadonlyArray<ReturnType<typeof edit>>, others = {}) =>
        refusal(request("config/batchWrite", { edits, ...others }))
      yield* equal(
        "a conflict",
        yield* write([edit("one")], { expectedVersion: "sha256:0" }),
        "-32600 Configuration was modified since last read. Fetch latest version and retry."
      )
      yield* equal(
        "another file",
        yield* write([edit("one")], { filePath: "/none/config.toml" }),
        "-32600 Only writes to the user config are allowed"
      )
      yield* equal(
        "the second of two",
        yield* write([edit("one"), { ...edit("two"), keyPath: "" }]),
        "-32600 keyPath must not be empty"
      )
      const after = yield* read
      yield* equal("the origin and the version", [after.origin, after.version], [undefined, version])
    })
  )
]
