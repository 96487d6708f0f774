import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Layer } from "effect"
import { CodexExecutable } from "../src/index.ts"
import { type Entry, tree } from "./support/files.ts"

const NodeLive = Layer.merge(NodeFileSystem.layer, NodePath.layer)

const triple = "x86_64-unknown-linux-musl"
const vendor = `vendor/${triple}`
const platform = "node_modules/@openai/codex-linux-x64"

interface Found {
  readonly executable: string
  readonly source: CodexExecutable.CodexExecutable["source"]
  readonly pathFolder?: string
}

interface Case {
  readonly files: Readonly<Record<string, Entry>>
  /** The environment; `$` stands for the root of the files, here and below. */
  readonly env?: Readonly<Record<string, string>>
  readonly options?: CodexExecutable.Options
  readonly found?: Found
  /** Parts of the entries of `tried`, in order. */
  readonly tried?: ReadonlyArray<string>
}

const run = Effect.fnUntraced(function*({ env, files, found, options, tried }: Case) {
  const { root } = yield* tree(files)
  const expand = (text: string) => text.replaceAll("$", root)
  const effect = CodexExecutable.find({
    platform: "linux",
    arch: "x64",
    ...options,
    from: (options?.from ?? ["$/app"]).map(expand),
    ...options?.executable === undefined ? {} : { executable: expand(options.executable) }
  }).pipe(
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromUnknown(
        Object.fromEntries(Object.entries(env ?? {}).map(([name, value]) => [name, expand(value)]))
      )
    )
  )
  if (found !== undefined) {
    const { executable, pathFolder, source } = found
    assert.deepStrictEqual(yield* effect, {
      executable: expand(executable),
      source,
      pathFolder: pathFolder === undefined ? undefined : expand(pathFolder)
    })
    return
  }
  const error = yield* Effect.flip(effect)
  assert.strictEqual(error._tag, "CodexExecutableNotFound")
  const lines = error.tried.map(({ place, problem }) => `${place}: ${problem}`)
  assert.strictEqual(lines.length, tried?.length, lines.join("\n"))
  tried?.forEach((part, index) => assert.include(lines[index], expand(part)))
  for (const line of lines) assert.include(error.message, line)
})

const cases = (name: string, table: Readonly<Record<string, Case>>) =>
  describe(name, () => {
    for (const [title, entry] of Object.entries(table)) {
      it.effect(title, () => run(entry).pipe(Effect.provide(NodeLive)))
    }
  })

const installed = (folder: string, name = "codex"): Readonly<Record<string, Entry>> => ({
  [`${folder}/${vendor}/bin/${name}`]: "program",
  [`${folder}/${vendor}/codex-path/rg`]: "program"
})
const package_ = (folder: string): Found => ({
  executable: `$/${folder}/${vendor}/bin/codex`,
  source: "package",
  pathFolder: `$/${folder}/${vendor}/codex-path`
})

cases("CodexExecutable.find, explicit", {
  "takes the option before everything else": {
    files: { "mine/codex": "program", "bin/codex": "program", ...installed(`app/${platform}`) },
    env: { CODEX_BIN: "$/bin/codex", PATH: "$/bin" },
    options: { executable: "$/mine/codex" },
    found: { executable: "$/mine/codex", source: "option" }
  },
  "takes CODEX_BIN before the package": {
    files: { "bin/codex": "program", ...installed(`app/${platform}`) },
    env: { CODEX_BIN: "$/bin/codex", PATH: "$/bin" },
    found: { executable: "$/bin/codex", source: "CODEX_BIN" }
  },
  "takes an empty CODEX_BIN for none": {
    files: installed(`app/${platform}`),
    env: { CODEX_BIN: "" },
    found: package_(`app/${platform}`)
  },
  "looks a bare name up on PATH": {
    files: { "bin/my-codex": "program", "other/codex": "program" },
    env: { PATH: "$/other:$/bin" },
    options: { executable: "my-codex" },
    found: { executable: "$/bin/my-codex", source: "option" }
  },
  "looks a bare CODEX_BIN up on PATH": {
    files: { "bin/my-codex": "program" },
    env: { PATH: "$/bin", CODEX_BIN: "my-codex" },
    found: { executable: "$/bin/my-codex", source: "CODEX_BIN" }
  },
  "does not fall back from a missing option": {
    files: { "bin/codex": "program", ...installed(`app/${platform}`) },
    env: { CODEX_BIN: "$/bin/codex", PATH: "$/bin" },
    options: { executable: "$/none" },
    tried: ["the option `executable` ($/none): it does not exist"]
  },
  "does not fall back from a directory": {
    files: { "folder": "folder", "bin/codex": "program" },
    env: { PATH: "$/bin" },
    options: { executable: "$/folder" },
    tried: ["the option `executable` ($/folder): it is a directory"]
  },
  "does not fall back from a file that is not executable": {
    files: { "text": "text", "bin/codex": "program" },
    env: { PATH: "$/bin", CODEX_BIN: "$/text" },
    tried: ["the option `executable`: it is not given", "CODEX_BIN ($/text): it is not executable"]
  },
  "does not fall back from a path through a file": {
    files: { "text": "text", "bin/codex": "program" },
    env: { PATH: "$/bin", CODEX_BIN: "$/text/codex" },
    tried: ["it is not given", "CODEX_BIN ($/text/codex): it "]
  },
  "does not fall back from a broken link": {
    files: { "link": { link: "gone" }, "bin/codex": "program" },
    env: { PATH: "$/bin" },
    options: { executable: "$/link" },
    tried: ["the option `executable` ($/link): it does not exist"]
  },
  "does not fall back from an unknown name": {
    files: { "bin/codex": "program" },
    env: { PATH: "$/bin" },
    options: { executable: "my-codex" },
    tried: ["the option `executable` (my-codex): it is not in any folder of PATH: $/bin"]
  },
  "starts the program of npm's launcher instead of the launcher": {
    files: {
      "app/node_modules/@openai/codex/bin/codex.js": "program",
      "app/node_modules/.bin/codex": { link: "../@openai/codex/bin/codex.js" },
      ...installed(`app/${platform}`)
    },
    options: { executable: "$/app/node_modules/.bin/codex", from: [] },
    found: { ...package_(`app/${platform}`), source: "option" }
  }
})

cases("CodexExecutable.find, installed package", {
  "npm, hoisted": {
    files: { "app/node_modules/@openai/codex/bin/codex.js": "program", ...installed(`app/${platform}`) },
    found: package_(`app/${platform}`)
  },
  "npm, nested": {
    files: installed(`app/node_modules/@openai/codex/${platform}`),
    found: package_(`app/node_modules/@openai/codex/${platform}`)
  },
  "npm, nested before another version that is hoisted": {
    files: {
      ...installed(`app/node_modules/@openai/codex/${platform}`),
      ...installed(`app/${platform}`)
    },
    found: package_(`app/node_modules/@openai/codex/${platform}`)
  },
  "npm, the platform package alone, as an alias of @openai/codex leaves it": {
    files: { "app/node_modules/my-codex/bin/codex.js": "program", ...installed(`app/${platform}`) },
    found: package_(`app/${platform}`)
  },
  "pnpm": {
    files: {
      "app/node_modules/.pnpm/@openai+codex@1/node_modules/@openai/codex/bin/codex.js": "program",
      "app/node_modules/@openai/codex": { link: "../.pnpm/@openai+codex@1/node_modules/@openai/codex" },
      "app/node_modules/.pnpm/@openai+codex@1/node_modules/@openai/codex-linux-x64": {
        link: "../../../@openai+codex@1-linux-x64/node_modules/@openai/codex"
      },
      ...installed("app/node_modules/.pnpm/@openai+codex@1-linux-x64/node_modules/@openai/codex")
    },
    found: package_(`app/node_modules/.pnpm/@openai+codex@1/${platform}`)
  },
  "a monorepo's root from one of its packages": {
    files: { ...installed(platform), "app/packages/a/node_modules": "folder" },
    options: { from: ["$/app/packages/a"] },
    found: package_(platform)
  },
  "the nearest of several": {
    files: { ...installed(platform), ...installed(`app/${platform}`) },
    found: package_(`app/${platform}`)
  },
  "from the first folder before the second": {
    files: { ...installed(`a/${platform}`), ...installed(`b/${platform}`) },
    options: { from: ["$/b", "$/a"] },
    found: package_(`b/${platform}`)
  },
  "from the second folder when the first has none": {
    files: { ...installed(`a/${platform}`), "b": "folder" },
    options: { from: ["$/b", "$/a"] },
    found: package_(`a/${platform}`)
  },
  "the older layout": {
    files: installed("app/node_modules/@openai/codex"),
    found: package_("app/node_modules/@openai/codex")
  },
  "android as linux": {
    files: installed(`app/${platform}`),
    options: { platform: "android" },
    found: package_(`app/${platform}`)
  },
  "without a codex-path": {
    files: { [`app/${platform}/${vendor}/bin/codex`]: "program" },
    found: { executable: `$/app/${platform}/${vendor}/bin/codex`, source: "package" }
  },
  "before PATH": {
    files: { "bin/codex": "program", ...installed(`app/${platform}`) },
    env: { PATH: "$/bin" },
    found: package_(`app/${platform}`)
  },
  "broken: goes on and says so": {
    files: { [`app/${platform}/${vendor}/bin/codex`]: "text", "app/node_modules/@openai/codex": "folder" },
    tried: [
      "the option `executable`: it is not given",
      "CODEX_BIN: it is not set",
      `$/app/${platform}/${vendor}/bin/codex: it is not executable`,
      "@openai/codex-linux-x64: it is not installed for $/app",
      "codex on PATH: PATH is not set"
    ]
  },
  "of another platform only: says which one is missing": {
    files: installed("app/node_modules/@openai/codex-darwin-arm64"),
    tried: ["not given", "not set", "@openai/codex-linux-x64: it is not installed for $/app", "codex on PATH"]
  }
})

const platforms = {
  linux: { x64: "x86_64-unknown-linux-musl", arm64: "aarch64-unknown-linux-musl" },
  darwin: { x64: "x86_64-apple-darwin", arm64: "aarch64-apple-darwin" },
  win32: { x64: "x86_64-pc-windows-msvc", arm64: "aarch64-pc-windows-msvc" }
}
cases(
  "CodexExecutable.find, platforms",
  Object.fromEntries(
    Object.entries(platforms).flatMap(([platform, triples]) =>
      Object.entries(triples).map(([arch, triple]): [string, Case] => {
        const folder = `app/node_modules/@openai/codex-${platform}-${arch}/vendor/${triple}`
        const name = platform === "win32" ? "codex.exe" : "codex"
        return [`${platform} ${arch}`, {
          files: { [`${folder}/bin/${name}`]: "program", [`${folder}/codex-path/rg`]: "program" },
          options: { platform, arch },
          found: { executable: `$/${folder}/bin/${name}`, source: "package", pathFolder: `$/${folder}/codex-path` }
        }]
      })
    )
  )
)
cases("CodexExecutable.find, unsupported platform", {
  "says so and looks on PATH": {
    files: {},
    env: { PATH: "$/bin" },
    options: { platform: "freebsd", arch: "x64" },
    tried: ["not given", "not set", "@openai/codex: there is no package for freebsd on x64", "codex on PATH"]
  },
  "finds codex on PATH": {
    files: { "bin/codex": "program" },
    env: { PATH: "$/bin" },
    options: { platform: "linux", arch: "riscv64" },
    found: { executable: "$/bin/codex", source: "PATH" }
  }
})

cases("CodexExecutable.find, PATH", {
  "passes over directories and files that are not executable": {
    files: { "a/codex": "folder", "b/codex": "text", "c/codex": "program" },
    env: { PATH: ":$/none:$/a:$/b:$/c" },
    found: { executable: "$/c/codex", source: "PATH" }
  },
  "says what was wrong with what it passed over": {
    files: { "a/codex": "folder", "b/codex": "text" },
    env: { PATH: "$/a:$/b" },
    tried: [
      "not given",
      "not set",
      "not installed",
      "$/a/codex: it is a directory",
      "$/b/codex: it is not executable",
      "codex on PATH: it is not in any folder of PATH: $/a, $/b"
    ]
  },
  "starts the program of a global npm installation": {
    files: {
      "usr/lib/node_modules/@openai/codex/bin/codex.js": "program",
      "usr/bin/codex": { link: "../lib/node_modules/@openai/codex/bin/codex.js" },
      ...installed(`usr/lib/node_modules/@openai/codex/${platform}`)
    },
    env: { PATH: "$/usr/bin" },
    found: { ...package_(`usr/lib/node_modules/@openai/codex/${platform}`), source: "PATH" }
  },
  "starts npm's launcher itself when it cannot see through it": {
    files: {
      "usr/lib/node_modules/@openai/codex/bin/codex.js": "program",
      "usr/bin/codex": { link: "../lib/node_modules/@openai/codex/bin/codex.js" }
    },
    env: { PATH: "$/usr/bin" },
    found: { executable: "$/usr/bin/codex", source: "PATH" }
  }
})

const win = { platform: "win32", arch: "x64" }
const winVendor = "node_modules/@openai/codex-win32-x64/vendor/x86_64-pc-windows-msvc"
cases("CodexExecutable.find, Windows", {
  "takes codex.exe on Path, whose entries are separated by semicolons": {
    files: { "a/codex.txt": "text", "b/codex.exe": "text" },
    env: { Path: "$/a;$/b" },
    options: win,
    found: { executable: "$/b/codex.exe", source: "PATH" }
  },
  "follows PATHEXT": {
    files: { "a/codex.exe": "text", "a/codex.com": "text" },
    env: { PATH: "$/a", PATHEXT: ".EXE;.COM" },
    options: win,
    found: { executable: "$/a/codex.exe", source: "PATH" }
  },
  "starts the program of a global npm installation, not its codex.cmd": {
    files: {
      "npm/codex": "text",
      "npm/codex.cmd": "text",
      "npm/codex.ps1": "text",
      [`npm/node_modules/@openai/codex/${winVendor}/bin/codex.exe`]: "text"
    },
    env: { PATH: "$/npm" },
    options: win,
    found: { executable: `$/npm/node_modules/@openai/codex/${winVendor}/bin/codex.exe`, source: "PATH" }
  },
  "does not start a codex.cmd that it cannot see through": {
    files: { "npm/codex.cmd": "text", "other/codex.exe": "text" },
    env: { PATH: "$/npm;$/other" },
    options: win,
    found: { executable: "$/other/codex.exe", source: "PATH" }
  },
  "says so when a script is all there is": {
    files: { "npm/codex.ps1": "text" },
    env: { PATH: "$/npm" },
    options: win,
    tried: ["not given", "not set", "not installed", "$/npm/codex.ps1: it is a script", "codex on PATH"]
  },
  "does not start a script that was given": {
    files: { "npm/codex.cmd": "text" },
    options: { ...win, executable: "$/npm/codex.cmd" },
    tried: ["codex.cmd): it is a script, which Windows cannot start as an executable"]
  },
  "starts the program of a launcher that was given": {
    files: {
      "app/node_modules/.bin/codex.cmd": "text",
      [`app/${winVendor}/bin/codex.exe`]: "text"
    },
    options: { ...win, executable: "$/app/node_modules/.bin/codex.cmd", from: [] },
    found: { executable: `$/app/${winVendor}/bin/codex.exe`, source: "option" }
  },
  "takes what is executable without a permission for it": {
    files: { "my/codex.exe": "text" },
    options: { ...win, executable: "$/my/codex.exe" },
    found: { executable: "$/my/codex.exe", source: "option" }
  }
})

describe("CodexExecutable.find", () => {
  it.effect("reads Windows paths", () =>
    Effect.gen(function*() {
      const exe = "D:\\app\\node_modules\\@openai\\codex-win32-arm64\\vendor\\aarch64-pc-windows-msvc\\bin\\codex.exe"
      const found = yield* CodexExecutable.find({ platform: "win32", arch: "arm64", from: ["D:\\app\\packages\\a"] })
        .pipe(
          Effect.provide(NodePath.layerWin32),
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({})),
          Effect.provideServiceEffect(
            FileSystem.FileSystem,
            Effect.map(FileSystem.FileSystem, (fs) => ({
              ...fs,
              exists: () => Effect.succeed(true),
              stat: (file) => {
                if (file === exe) return fs.stat(import.meta.filename)
                return fs.stat(exe.startsWith(`${file}\\`) ? import.meta.dirname : "/none")
              }
            }))
          )
        )
      assert.deepStrictEqual(found, {
        executable: exe,
        source: "package",
        pathFolder: exe.replace("bin\\codex.exe", "codex-path")
      })
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  const message = (env: object, options?: CodexExecutable.Options) =>
    Effect.flip(CodexExecutable.find(options)).pipe(
      Effect.map((error) => error.message),
      Effect.provide(NodeLive),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env))
    )

  it.effect("says why first, then what it has tried, then what to do", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* message({ CODEX_BIN: "/nope" }),
        `No codex executable was found. CODEX_BIN (/nope): it does not exist. Tried:
  the option \`executable\`: it is not given
  CODEX_BIN (/nope): it does not exist
Correct CODEX_BIN, or leave it out to use the installed @openai/codex or the \`codex\` on PATH.`
      )
      assert.match(
        yield* message({ CODEX_BIN: "nope", PATH: "/a" }),
        /^No codex executable was found\. CODEX_BIN \(nope\): it is not in any folder of PATH: \/a\. Tried:/
      )
      assert.match(
        yield* message({}, { executable: "/nope" }),
        /^No codex executable was found\. The option `executable` \(\/nope\): it does not exist\.[^]*\nCorrect the option `executable`, /
      )
      assert.match(
        yield* message({ PATH: "/a" }, { from: [] }),
        /^No codex executable was found\. Tried:[^]*\nInstall it \(npm install @openai\/codex\), set CODEX_BIN, or give [^\n]*$/
      )
    }))

  it.effect("fails when the configuration cannot be read", () =>
    Effect.gen(function*() {
      const { tried } = yield* Effect.flip(CodexExecutable.find())
      assert.deepStrictEqual(tried[1]?.place, "CODEX_BIN")
      assert.include(tried[1]?.problem, "the vault is sealed")
    }).pipe(
      Effect.provide(NodeLive),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.make(() => Effect.fail(new ConfigProvider.SourceError({ message: "the vault is sealed" })))
      )
    ))

  it.effect("finds what this repository has installed, from its own folder", () =>
    Effect.gen(function*() {
      const { executable, pathFolder, source } = yield* CodexExecutable.find()
      assert.strictEqual(source, "package")
      assert.match(executable, /@openai.codex-\w+-\w+.vendor.[\w-]+.bin.codex/)
      assert.match(pathFolder ?? "", /codex-path$/)
    }).pipe(
      Effect.provide(NodeLive),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({}))
    ))
})
