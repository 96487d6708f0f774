/** Overrides of the configuration: what the real codex reads of them, and what is refused before it is started. */
import { AppServer, AppServerRpc, ConfigOverrides } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedCodex } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Predicate } from "effect"

/** What codex has read, member by member. */
const read = (configOverrides: ConfigOverrides.ConfigOverrides, ...path: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const rpc = yield* AppServerRpc.AppServerRpc
    const { config } = yield* rpc.request("config/read", {})
    return path.reduce<unknown>((value, key) => Predicate.hasProperty(value, key) ? value[key] : undefined, config)
  }).pipe(Effect.provide(ScriptedCodex.layer({ codex: { configOverrides } })))

const failing = (configOverrides: ConfigOverrides.ConfigOverrides) =>
  Effect.flip(AppServer.make({ executable: "/nowhere/codex", configOverrides })).pipe(
    Effect.scoped,
    Effect.provide(NodeServices.layer)
  )

const texts = {
  "plain": "text",
  "a.dot": "C:\\Users\\x",
  "quotes \"'": "say \"hi\" and 'ho'",
  "an = sign": "a=b",
  "lines\n\t": "one\ntwo\r\n\tthree",
  "control\u0001\u007f": "\u0000\u001f\u007f",
  "\u00e9\u{1f600}": "\u{1f600} # no comment",
  "#": "[not, a, list]",
  "empty": ""
}

describe("an object", () => {
  it.live("is read by the real codex as it is, whatever its keys and texts are", () =>
    Effect.gen(function*() {
      const set = yield* read({ shell_environment_policy: { set: texts } }, "shell_environment_policy", "set")
      assert.deepStrictEqual(set, texts)
    }))

  it.live(
    "has tables, lists, numbers, switches and dotted keys, and leaves out what is undefined",
    () =>
      Effect.gen(function*() {
        const overrides: ConfigOverrides.ConfigOverrides = [
          { "sandbox_workspace_write.writable_roots": ["/a", "/b \"c\""], model: undefined },
          { sandbox_workspace_write: { network_access: true }, model_context_window: 1234 },
          `sandbox_workspace_write.exclude_slash_tmp=true`
        ]
        const workspace = yield* read(overrides, "sandbox_workspace_write")
        assert.deepStrictEqual(workspace, {
          writable_roots: ["/a", "/b \"c\""],
          network_access: true,
          exclude_tmpdir_env_var: false,
          exclude_slash_tmp: true
        })
        assert.strictEqual(yield* read(overrides, "model_context_window"), 1234)
      })
  )

  it("is one text for each value, and for a table with keys that codex would cut", () => {
    assert.deepStrictEqual(ConfigOverrides.encode({ a: { b: 1, c: { d: [true, "x"] } }, "e.f": {} }), {
      texts: ["a.b=1", "a.c.d=[true, \"x\"]", "e.f={}"],
      problems: []
    })
    assert.deepStrictEqual(ConfigOverrides.encode({ projects: { "/a.b": { trust_level: "trusted" } }, n: 1e21 }), {
      texts: ["projects={\"/a.b\" = {trust_level = \"trusted\"}}", "n=1e+21"],
      problems: []
    })
    assert.deepStrictEqual(ConfigOverrides.encode({ half: "\ud83d" }).texts, ["half=\"\ufffd\""])
  })

  it("that TOML cannot have is a problem with its place", () => {
    const wrong: ReadonlyArray<readonly [unknown, Partial<ConfigOverrides.Problem>]> = [
      [{ a: { b: [1, null] } }, { path: "a.b[1]", reason: "null" }],
      [{ a: NaN }, { path: "a", reason: "notFinite" }],
      [{ a: { "": 1 } }, { reason: "emptyKey" }],
      [{ a: () => {} }, { path: "a", reason: "unsupported" }],
      [{ a: new Date(0) }, { path: "a", reason: "unsupported" }],
      [{ "a=b": 1 }, { path: "a=b", reason: "badKey" }],
      [[{ ok: 1 }, 5], { index: 1, reason: "unsupported" }],
      [5, { index: undefined, reason: "unsupported" }]
    ]
    for (const [overrides, problem] of wrong) {
      const { problems } = ConfigOverrides.encode(overrides as ConfigOverrides.ConfigOverrides)
      assert.lengthOf(problems, 1)
      assert.deepInclude(problems[0], problem)
    }
  })
})

describe("a text", () => {
  const right = [
    `model="x"`,
    `model = 'C:\\Users'`,
    `model=another-model`,
    `model=C:\\Users\\x`,
    `model=`,
    `a.b-c_d=[1, 2.5, -3e4, 0xff, inf, true, 1979-05-27 07:32:00Z,]`,
    `a={ b = "x", "c.d" = 'y', e.f = [ { g = 1 }, {} ] }`,
    `a=["x", # comment\n "y"]`,
    `a="x" # comment`,
    `a="""one\ntwo"""`,
    `a='''x'y'''`,
    `a="\\u00e9 \\\\ \\" \\t"`,
    `projects./home/me/x.trust_level="trusted"`
  ]
  for (const text of right) {
    it(`is passed on as it is: ${JSON.stringify(text)}`, () =>
      assert.deepStrictEqual(ConfigOverrides.encode([text]), { texts: [text], problems: [] }))
  }

  const wrong: ReadonlyArray<readonly [string, ConfigOverrides.Problem["reason"]]> = [
    [`model="C:\\Users\\x"`, "notToml"],
    [`roots=["/a", "C:\\x"]`, "notToml"],
    [`model="x`, "notToml"],
    [`model='x`, "notToml"],
    [`model="x" y`, "notToml"],
    [`a=[1, 2`, "notToml"],
    [`a=[1 2]`, "notToml"],
    [`a=[yes]`, "notToml"],
    [`a={b=C:\\x}`, "notToml"],
    [`a={ b: 1 }`, "notToml"],
    [`a={"b":1}`, "notToml"],
    [`a={ b = }`, "notToml"],
    [`a=${"[".repeat(5000)}`, "notToml"],
    [`model`, "noEquals"],
    [`="x"`, "emptyKey"],
    [`a..b=1`, "badKey"],
    [`projects."/home/me".trust_level="trusted"`, "badKey"]
  ]
  for (const [text, reason] of wrong) {
    it(`is refused: ${JSON.stringify(text.slice(0, 60))}`, () => {
      const { problems } = ConfigOverrides.encode(["a=1", text])
      assert.deepStrictEqual(problems.map(({ index, reason }) => [index, reason]), [[1, reason]])
    })
  }

  it.effect("that is wrong is named by the error of the start, without its value, which may be a secret", () =>
    Effect.gen(function*() {
      const error = yield* failing(["a=1", `model_providers.x.experimental_bearer_token="sk-\\secret"`])
      assert.deepInclude(error, { _tag: "AppServerStartError", phase: "spawn", option: "configOverrides[1]" })
      assert.strictEqual(
        error.message,
        "codex app-server did not start (spawn): the override of model_providers.x.experimental_bearer_token: the value is " +
          "not valid TOML, and codex would read it as a string: pass an object, or double each backslash. Change the option " +
          "`configOverrides[1]`."
      )
      assert.deepInclude(yield* failing({ a: Infinity }), { option: "configOverrides" })
      // It is the whole list of arguments.
      const replaced = Effect.flip(AppServer.make({ executable: "/nowhere/codex", args: [], configOverrides: ["a"] }))
      assert.strictEqual(
        (yield* replaced.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))._tag,
        "CodexExecutableNotFound"
      )
    }))

  it.live(
    "with a quoted key, or that is no TOML, the real codex takes for something else",
    () =>
      Effect.gen(function*() {
        const { env, workspace } = yield* CodexHome.CodexHome
        const started = (override: string) => {
          const args = [`--config=${override}`, "app-server", "--listen", "stdio://"]
          return Effect.gen(function*() {
            const rpc = yield* AppServerRpc.AppServerRpc
            return (yield* rpc.request("config/read", {})).config
          }).pipe(Effect.provide(CodexNode.layer({ args, env, cwd: workspace })))
        }
        assert.strictEqual((yield* started(`model="C:\\Users`)).model, "C:\\Users")
        const { projects } = yield* started(`projects."/home/me".trust_level="trusted"`)
        assert.notProperty(projects ?? {}, "/home/me")
      }).pipe(Effect.provide(CodexHome.layerUrl("http://127.0.0.1:9/v1")))
  )
})

describe("an override of an odd shape", () => {
  it("is a problem, and never an exception", () => {
    const cycle: Record<string, ConfigOverrides.Value> = {}
    cycle["itself"] = [cycle]
    const sparse = ["a"]
    sparse[2] = "b"
    const odd = [cycle, { notify: sparse }, "a=\0", "a=\"" + "x".repeat(200_000) + "\""]
    const indices = ConfigOverrides.encode(odd).problems.map(({ index }) => index)
    assert.deepStrictEqual([...new Set(indices)], [0, 1, 2, 3])
  })
})
