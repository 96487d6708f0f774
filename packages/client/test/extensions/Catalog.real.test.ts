/** Apps, plugins and hooks, on the real codex binary. */
import { Codex, type CodexError, Extensions } from "@effect-codex/client"
import { CodexHome, ScriptedCodex } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"

type Services = Layer.Success<ReturnType<typeof ScriptedCodex.layer>> | Extensions.Extensions

const away = "01a227de-f4ca-7cb0-8b77-8ad762b7f720"
// With the feature `plugins` codex fetches its own marketplace at the start, here from nowhere.
const nowhere = "http://127.0.0.1:9"

const real = (name: string, test: Effect.Effect<void, unknown, Services | Scope.Scope>) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide(Layer.provideMerge(
        Extensions.layer,
        ScriptedCodex.layer({
          codex: { env: { HTTPS_PROXY: nowhere, https_proxy: nowhere } },
          home: {
            config: {
              features: { plugins: true },
              hooks: { Stop: [{ hooks: [{ type: "command", command: "true" }] }] }
            }
          }
        })
      )),
      Effect.provide(Logger.layer([]))
    ))

const services = Effect.all({ codex: Codex.Codex, extensions: Extensions.Extensions, home: CodexHome.CodexHome })

const write = (path: string, value: object | string) => {
  mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true })
  writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value))
}

const detailOf = <A, R>(call: Effect.Effect<A, CodexError.CodexError, R>) =>
  Effect.map(Effect.flip(call), (error) => `${error._tag}: ${"detail" in error ? error.detail : ""}`)

describe("plugins", () => {
  real(
    "are listed, read, installed and removed, and what cannot be is refused; hooks and apps are listed",
    Effect.gen(function*() {
      const { codex, extensions, home: { path, workspace } } = yield* services
      const marketplacePath = `${workspace}/.agents/plugins/marketplace.json`
      const plugin = { marketplacePath, name: "demo" }
      const source = { source: "local", path: "./plugins/demo" }
      const policy = { installation: "AVAILABLE", authentication: "ON_INSTALL" }
      write(marketplacePath, { name: "shop", plugins: [{ name: "demo", source, policy, category: "tests" }] })
      write(`${workspace}/plugins/demo/.codex-plugin/plugin.json`, {
        name: "demo",
        version: "1.0.0",
        skills: "./skills/"
      })
      write(`${workspace}/plugins/demo/skills/greet/SKILL.md`, "---\nname: greet\ndescription: Greets.\n---\nHi\n")
      const broken = `${workspace}/broken/.agents/plugins/marketplace.json`
      write(broken, "{")

      const listed = yield* extensions.plugins({ folders: [workspace, `${workspace}/broken`] })
      assert.deepStrictEqual(
        listed.marketplaces.flatMap(({ plugins }) => plugins.map(({ id, installed }) => [id, installed])),
        [["demo@shop", false]]
      )
      assert.deepStrictEqual(listed.marketplaceLoadErrors.map((error) => error.marketplacePath), [broken])
      const detail = yield* extensions.readPlugin(plugin)
      assert.deepStrictEqual(detail.skills.map(({ name }) => name), ["demo:greet"])
      const skills = Effect.map(
        extensions.skills(),
        ([here]) => here?.skills?.flatMap(({ name, pluginId }) => pluginId === null ? [] : [`${name} of ${pluginId}`])
      )
      assert.deepStrictEqual(yield* skills, [])
      assert.deepStrictEqual((yield* extensions.installPlugin(plugin)).appsNeedingAuth, [])
      assert.deepStrictEqual(yield* skills, ["demo:greet of demo@shop"])
      yield* extensions.uninstallPlugin("demo@shop")
      yield* extensions.uninstallPlugin("demo@shop")
      assert.deepStrictEqual(yield* skills, [])

      const none = { ...plugin, name: "none" }
      const missing = "RpcError: plugin `none` was not found in marketplace `shop`"
      assert.strictEqual(yield* detailOf(extensions.readPlugin(none)), missing)
      assert.strictEqual(yield* detailOf(extensions.installPlugin(none)), missing)
      for (
        const wrong of [{ name: "a" }, { name: "a", marketplacePath, marketplace: "b" }, { ...plugin, name: 5 }, {
          name: "a",
          marketplacePath: "relative"
        }]
      ) {
        assert.match(yield* detailOf(extensions.installPlugin(wrong as never)), /^InvalidArgument/)
      }

      const thread = yield* codex.startThread()
      for (const options of [{}, { threadId: thread.id }, { folders: [workspace] }]) {
        const [entry] = yield* extensions.hooks(options)
        assert.deepStrictEqual([entry?.cwd, entry?.errors], [workspace, []])
        const [hook] = entry?.hooks ?? []
        assert.deepInclude(hook, {
          eventName: "stop",
          handlerType: "command",
          command: "true",
          sourcePath: `${path}/config.toml`,
          trustStatus: "untrusted"
        })
      }

      // Without a login to ChatGPT there are no apps.
      assert.deepStrictEqual(yield* extensions.apps({ threadId: thread.id }), [])
      assert.deepStrictEqual(yield* extensions.installedApps(), [])
      assert.deepStrictEqual(yield* extensions.readApps(["a"]), { apps: [], missingAppIds: ["a"] })
      const notFound = `ThreadNotFound: thread not found: ${away}`
      assert.strictEqual(yield* detailOf(extensions.apps({ threadId: away })), notFound)
      assert.strictEqual(yield* detailOf(extensions.installedApps({ threadId: away })), notFound)
      assert.strictEqual(yield* detailOf(extensions.readApps([], { threadId: away })), notFound)
    })
  )
})
