/** The server's configuration, on the real codex binary. Each test has a CODEX_HOME of its own. */
import { AppServerRpc, Configuration, type Sent } from "@effect-codex/client"
import { isAtLeast } from "@effect-codex/test-support/codexVersion"
import { CodexHome } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { realWith } from "../support/realService.ts"

const real = realWith(Configuration.layer)

const services = Effect.gen(function*() {
  const home = yield* CodexHome.CodexHome
  const path = `${home.path}/config.toml`
  return {
    configuration: yield* Configuration.Configuration,
    rpc: yield* AppServerRpc.AppServerRpc,
    workspace: home.workspace,
    path,
    file: () => readFileSync(path, "utf8")
  }
})

const refusal = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(call), (error) => "reason" in error ? `${error._tag} ${String(error.reason)}` : error._tag)

describe("the configuration", () => {
  real(
    "is read with the layer that each key comes from, and a write tells which layer is stronger",
    Effect.gen(function*() {
      const { configuration, file, path, workspace } = yield* services
      mkdirSync(`${workspace}/.codex`)
      writeFileSync(`${workspace}/.codex/config.toml`, "model_verbosity = \"high\"\nfile_opener = \"none\"\n")
      yield* configuration.write(["projects", workspace, "trust_level"], "trusted")

      const { config, layers, origins, version } = yield* configuration.read()
      assert.strictEqual(config.model_verbosity, "low")
      assert.strictEqual(origins["model_verbosity"]?.name.type, "sessionFlags")
      assert.deepInclude(origins["model"], { name: { type: "user", file: path, profile: null } })
      assert.isUndefined(origins["file_opener"])
      assert.deepStrictEqual(layers.map(({ name }) => name.type).slice(0, 2), ["sessionFlags", "user"])
      assert.strictEqual(Option.getOrThrow(version), origins["model"]?.version)

      const inProject = yield* configuration.read({ cwd: workspace })
      assert.strictEqual(inProject.config["file_opener"], "none")
      assert.strictEqual(inProject.origins["file_opener"]?.name.type, "project")

      const { overridden } = yield* configuration.write("model_verbosity", "high")
      assert.include(file(), "model_verbosity = \"high\"")
      const { effectiveValue, overridingLayer } = Option.getOrThrow(overridden)
      assert.deepStrictEqual([effectiveValue, overridingLayer.name.type], ["low", "sessionFlags"])
      assert.isTrue(Option.isNone(yield* configuration.requirements))
    }),
    { configOverrides: { model_verbosity: "low" } }
  )

  real(
    "is written in the user's file alone: one key, or several, all or none, and never over another's change",
    Effect.gen(function*() {
      const { configuration, file, path, rpc } = yield* services
      writeFileSync(path, `# mine\n${file()}`)
      const before = yield* configuration.read()
      const expectedVersion = Option.getOrThrow(before.version)

      const written = yield* configuration.write("model_verbosity", "high", { expectedVersion })
      assert.strictEqual(written.file, path)
      assert.isTrue(Option.isNone(written.overridden))
      assert.include(file(), "model_verbosity = \"high\"")
      assert.isTrue(file().startsWith("# mine\n"))
      assert.strictEqual(written.version, Option.getOrThrow((yield* configuration.read()).version))

      // Somebody else changes the file.
      writeFileSync(path, `${file()}\n[tui]\nanimations = false\n`)
      const changed = file()
      const stale = configuration.write("model_verbosity", "low", { expectedVersion: written.version })
      assert.deepInclude(yield* Effect.flip(stale), {
        _tag: "ConfigurationError",
        reason: "conflict",
        code: "configVersionConflict",
        message:
          "The configuration was not changed (conflict): Configuration was modified since last read. Fetch latest " +
          "version and retry. Read the configuration again, and repeat the change with its version."
      })
      const halfWrong = [{ key: "model_verbosity", value: "low" }, { key: "web_search", value: "loud" }]
      assert.strictEqual(yield* refusal(configuration.writeAll(halfWrong)), "ConfigurationError invalid")
      assert.strictEqual(yield* refusal(configuration.write("", "low")), "ConfigurationError invalid")
      assert.strictEqual(yield* refusal(configuration.write("tui", { theme: null })), "ConfigurationError invalid")
      const unset = undefined as unknown as string
      assert.strictEqual(yield* refusal(configuration.write("model_verbosity", unset)), "InvalidArgument")
      assert.strictEqual(file(), changed)

      const table = yield* configuration.writeAll([
        { key: "model_verbosity", value: null },
        { key: "model_verbosity", value: null },
        { key: "tui", value: { theme: "light" }, merge: "upsert" },
        { key: ["mcp_servers", "a \"b\".c\\d"], value: { command: "true" } },
        { key: ["shell_environment_policy", "set", "new\nline\0"], value: "x" }
      ], { reload: true })
      const { config } = yield* configuration.read()
      assert.isNull(config.model_verbosity)
      assert.deepInclude(config["tui"], { animations: false, theme: "light" })
      assert.deepStrictEqual(Object.keys(config["mcp_servers"] ?? {}), ["a \"b\".c\\d"])
      assert.deepInclude(config.shell_environment_policy, { set: { "new\nline\0": "x" } })
      yield* configuration.write("tui", { theme: "dark" }, { expectedVersion: table.version })
      assert.notInclude(file(), "animations")

      const elsewhere = rpc.request("config/batchWrite", { edits: [], filePath: `${path}.other` })
      assert.include((yield* Effect.flip(elsewhere)).message, "Only writes to the user config are allowed")

      // JSON of JavaScript has no 2 ** 53 + 1.
      writeFileSync(path, `model_context_window = 9007199254740993\n${file()}`)
      assert.strictEqual((yield* configuration.read()).config.model_context_window, 2 ** 53)
      assert.strictEqual(
        yield* refusal(configuration.write("model_context_window", 2 ** 63)),
        "ConfigurationError invalid"
      )

      const nested = (levels: number): Sent.JsonValue => levels === 0 ? 1 : { a: nested(levels - 1) }
      yield* configuration.write("desktop", nested(79))
      yield* configuration.read()
      assert.strictEqual(yield* refusal(configuration.write("desktop", nested(80))), "InvalidArgument")
      yield* configuration.read()
      // It takes what it cannot read.
      const edit = { keyPath: "desktop", value: nested(100), mergeStrategy: "replace" } as const
      assert.strictEqual((yield* rpc.request("config/batchWrite", { edits: [edit] })).status, "ok")
      assert.include((yield* Effect.flip(configuration.read())).message, "recursion limit")

      writeFileSync(path, "model = ")
      assert.strictEqual(yield* refusal(configuration.read()), "RpcError internal")
      assert.strictEqual(yield* refusal(configuration.write("model", "x")), "RpcError internal")
      assert.strictEqual(file(), "model = ")
    })
  )

  real(
    "has features that the process switches, and providers and permission profiles, built-in ones and its own",
    Effect.gen(function*() {
      const { configuration, file } = yield* services
      const before = file()
      const isOn = (name: string) =>
        Effect.map(
          configuration.features(),
          (features) =>
            features.flatMap((feature) => "name" in feature && feature.name === name ? [feature.enabled] : [])
        )
      assert.isAbove((yield* configuration.features()).length, 100)
      const set = yield* configuration.setFeatures({ memories: true, api_key_model_discovery: true, nonsense: true })
      assert.deepStrictEqual(set, {
        accepted: { memories: true, api_key_model_discovery: true },
        ignored: ["nonsense"]
      })
      assert.deepStrictEqual(yield* isOn("memories"), [true])
      // The file of this home says otherwise.
      assert.deepStrictEqual(yield* isOn("api_key_model_discovery"), [false])
      assert.strictEqual(yield* refusal(configuration.features({ threadId: "x" })), "RpcError invalidRequest")
      assert.strictEqual(file(), before)

      const made = yield* configuration.writeProvider({
        type: "customGateway",
        name: "Gate",
        baseUrl: "http://127.0.0.1:9/v1",
        envKey: "GATE_KEY"
      })
      assert.deepInclude(made, { id: "gate", canEdit: true })
      if (isAtLeast("0.171")) {
        yield* configuration.setDefaultProvider("gate")
        assert.strictEqual(yield* refusal(configuration.setDefaultProvider("none")), "ConfigurationError invalid")
      } else {
        assert.strictEqual(yield* refusal(configuration.setDefaultProvider("gate")), "RpcError methodNotFound")
      }
      const { canChangeDefault, defaultId, providers } = yield* configuration.providers
      assert.deepStrictEqual([canChangeDefault, defaultId], [true, isAtLeast("0.171") ? "gate" : "scripted"])
      assert.sameMembers(providers.flatMap((one) => "id" in one ? [one.id] : []), ["gate", "openai", "scripted"])
      assert.isBoolean((yield* configuration.providerCapabilities).webSearch)
      const unknown = { type: "customGateway", providerId: "none", name: "X" } as const
      assert.strictEqual(yield* refusal(configuration.writeProvider(unknown)), "ConfigurationError notFound")

      yield* configuration.write("permissions.mine", {
        description: "Mine",
        filesystem: { ":workspace_roots": { ".": "read" } }
      })
      assert.deepStrictEqual(
        (yield* configuration.permissionProfiles()).map((profile) => "id" in profile ? profile.id : undefined),
        [":read-only", ":workspace", ":danger-full-access", "mine"]
      )
    })
  )
})
