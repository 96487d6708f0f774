/** A program in other runtimes and in bundles, over a WebSocket. `npm run check:packages` runs more of them. */
import { onTcp } from "@effect-codex/test-support/servers"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import * as Esbuild from "esbuild"
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rollup } from "rollup"

const program = fileURLToPath(new URL("support/overWebSocket.ts", import.meta.url))
const bin = (name: string) => fileURLToPath(new URL(`../../../node_modules/.bin/${name}`, import.meta.url))

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-codex-bundle-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

/** What a command prints that is given the address of a codex. */
const said = Effect.fnUntraced(function*(command: string, args: ReadonlyArray<string>) {
  const home = yield* CodexHome.CodexHome
  const { url } = yield* onTcp()
  return yield* Effect.callback<string>((resume) => {
    // Neither keeps anything for later.
    const env = { ...process.env, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", DENO_DIR: join(home.path, "deno") }
    const child = execFile(command, [...args, url], { cwd: home.workspace, env }, (_, stdout, stderr) => {
      const lines = `${stdout}${stderr}`.split("\n").filter((line) => !/^\[[\d:.]+\] WARN \(#\d+\): codex/.test(line))
      resume(Effect.succeed(lines.join("\n").trim()))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })
})

/** A bundle of esbuild; `banner` is what the README says. */
const bundle = (outdir: string, options: Esbuild.BuildOptions) =>
  Effect.promise(() =>
    Esbuild.build({
      entryPoints: { main: program },
      bundle: true,
      platform: "node",
      format: "esm",
      conditions: ["@effect-codex/source"],
      outExtension: { ".js": ".mjs" },
      outdir,
      logLevel: "error",
      ...options
    })
  )

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
const banner = { js: /--banner:js="(.*)"/.exec(readme)?.[1] ?? "" }

const live = (name: string, body: Effect.Effect<void, unknown, CodexHome.CodexHome | Scope.Scope>) =>
  it.live(name, () =>
    body.pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer({ answers: ["Hello."] }))))
    ), 120_000)

describe("a program over a WebSocket", () => {
  for (
    const [name, command, args] of [
      ["Bun", bin("bun"), ["--no-install", "--conditions=@effect-codex/source", program]],
      ["Deno", bin("deno"), ["run", "--allow-all", "--no-lock", "--conditions=@effect-codex/source", program]]
    ] as const
  ) {
    live(
      `runs with ${name}`,
      Effect.gen(function*() {
        assert.strictEqual(yield* said(command, args), "Hello.")
      })
    )
  }

  live(
    "runs as an ESM bundle of esbuild, with what the README says",
    Effect.gen(function*() {
      const out = yield* folder
      yield* bundle(out, {})
      const file = join(out, "main.mjs")
      assert.include(yield* said(process.execPath, [file]), "Dynamic require of")
      yield* bundle(out, { banner })
      assert.strictEqual(yield* said(process.execPath, [file]), "Hello.")
    })
  )

  live(
    "says what to do where rollup has put a part of it behind a top-level await",
    Effect.gen(function*() {
      const out = yield* folder
      yield* bundle(out, { splitting: true, banner })
      yield* Effect.promise(async () => {
        const build = await rollup({
          input: join(out, "main.mjs"),
          external: /^node:/,
          // It takes most of the time, and changes nothing here.
          treeshake: false,
          onwarn: () => {}
        })
        await build.write({ file: join(out, "one.mjs"), inlineDynamicImports: true })
      })
      assert.include(yield* said(process.execPath, [join(out, "one.mjs")]), "without a top-level `await`")
    })
  )
})
