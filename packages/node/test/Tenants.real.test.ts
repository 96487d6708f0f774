/** Tenants on one machine, each with real codex processes of its own: none reaches anything of another. */
import { ApprovalMode, AppServerRpc, Auth, Codex } from "@effect-codex/client"
import { CodexPool } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Logger, Option, type Path, Redacted, type Scope, Stream } from "effect"
import { afterEach, vi } from "vitest"
import { folderOf } from "../src/internal/pool/tenant.ts"
import { ended } from "./support/processes.ts"

afterEach(() => {
  vi.unstubAllEnvs()
})

type Tenants = Effect.Success<ReturnType<typeof CodexPool.byTenant>>

interface World {
  readonly tenants: Tenants
  readonly model: ScriptedModel.ScriptedModel["Service"]
  readonly folder: string
}

/** The model runs the prompt as a command, and tells what it said. */
const answer = (request: ScriptedModel.ModelRequest) =>
  request.toolOutputs.length === 0
    ? ScriptedModel.exec(request.prompt)
    : ScriptedModel.text([request.toolOutputs.map(({ output }) => output).join("\n")])

const real = (
  name: string,
  test: (world: World) => Effect.Effect<void, unknown, Scope.Scope | FileSystem.FileSystem | Path.Path>,
  more: {
    readonly tenants?: Omit<CodexPool.TenantsOptions, "folder">
    readonly model?: ScriptedModel.Options
    readonly config?: CodexHome.Options["config"]
  } = {}
) =>
  it.live(name, () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make(more.model ?? { answer })
      const { path } = yield* CodexHome.make({ modelUrl: model.url })
      const folder = `${path}/tenants`
      for (const tenant of ["acme", "globex"]) {
        yield* CodexHome.make({ modelUrl: model.url, folder: `${folder}/${folderOf(tenant)}`, config: more.config })
      }
      const tenants = yield* CodexPool.byTenant({ folder, ...more.tenants })
      yield* test({ folder, model, tenants })
    }).pipe(Effect.scoped, Effect.provide([NodeServices.layer, Logger.layer([])])))

const run = Effect.fnUntraced(function*(prompt: string, options?: Codex.StartThreadOptions) {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread({ approvalMode: ApprovalMode.denyAll, ...options })
  const { finalResponse } = yield* thread.run(prompt)
  return { id: thread.id, said: Option.getOrElse(finalResponse, () => "") }
})

describe("a tenant", () => {
  real("has a history of its own", ({ tenants }) =>
    Effect.gen(function*() {
      const { id } = yield* Effect.provide(run("pwd"), tenants.get("acme"))
      yield* Effect.gen(function*() {
        const codex = yield* Codex.Codex
        assert.deepStrictEqual(yield* Stream.runCollect(codex.listThreads()), [])
        assert.strictEqual((yield* Effect.flip(codex.resumeThread(id)))._tag, "ThreadNotPersisted")
        assert.strictEqual((yield* Effect.flip(codex.readThread(id)))._tag, "ThreadNotFound")
        assert.strictEqual((yield* Effect.flip(codex.forkThread(id)))._tag, "ThreadNotPersisted")
      }).pipe(Effect.provide(tenants.get("globex")))
      // And it is there the next time.
      const codex = yield* Effect.provide(Codex.Codex, tenants.get("acme"))
      assert.deepStrictEqual((yield* Stream.runCollect(codex.listThreads())).map((thread) => thread.id), [id])
    }))

  real(
    "has a login of its own, which only this user may read",
    ({ folder, model, tenants }) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        yield* Effect.gen(function*() {
          yield* (yield* Auth.Auth).loginApiKey(Redacted.make("sk-of-acme"))
          yield* run("true")
        }).pipe(Effect.provide(tenants.get("acme")))
        const account = yield* Effect.gen(function*() {
          yield* run("true")
          return (yield* (yield* Auth.Auth).account()).account
        }).pipe(Effect.provide(tenants.get("globex")))
        assert.isNull(account)
        const keys = (yield* model.requests).map(({ authorization }) => Option.map(authorization, Redacted.value))
        assert.deepStrictEqual(keys, [
          Option.some("Bearer sk-of-acme"),
          Option.some("Bearer sk-of-acme"),
          Option.none(),
          Option.none()
        ])
        const { mode } = yield* fs.stat(`${folder}/${folderOf("acme")}/codex/auth.json`)
        assert.strictEqual(mode & 0o077, 0)
      }),
    { config: { model_providers: { scripted: { requires_openai_auth: true } } } }
  )

  real(
    "gets no variable of this program but those that are named, and none of another tenant",
    ({ folder, tenants }) =>
      Effect.gen(function*() {
        vi.stubEnv("SECRET_OF_THE_SERVICE", "hidden")
        vi.stubEnv("SHARED_WITH_TENANTS", "shared")
        const acme = yield* Effect.provide(run("env"), tenants.get("acme"))
        const globex = yield* Effect.provide(run("env"), tenants.get("globex"))
        assert.include(acme.said, "SHARED_WITH_TENANTS=shared")
        assert.include(acme.said, "OWN_NAME=acme")
        assert.include(globex.said, "OWN_NAME=globex")
        assert.include(globex.said, `HOME=${folder}/${folderOf("globex")}`)
        for (const { said } of [acme, globex]) assert.notInclude(said, "hidden")
        assert.notInclude(globex.said, "acme")
      }),
    {
      tenants: {
        inheritEnv: ["SHARED_WITH_TENANTS"],
        options: (tenant) => ({ env: { OWN_NAME: tenant } })
      }
    }
  )

  real(
    "has files of its own, which the commands of no other can read or write",
    ({ folder, tenants }) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const of = (tenant: string) => `${folder}/${folderOf(tenant)}`
        yield* Effect.provide(run("echo mine > notes"), tenants.get("acme"))
        const notes = `${of("acme")}/workspace/notes`
        assert.strictEqual(yield* fs.readFileString(notes), "mine\n")
        assert.include((yield* Effect.provide(run("cat notes"), tenants.get("acme"))).said, "mine")

        const tried = Effect.fnUntraced(function*(command: string) {
          const { said } = yield* Effect.provide(run(command), tenants.get("globex"))
          assert.notInclude(said, "exited with code 0", `${command}: ${said}`)
          assert.notInclude(said, "mine")
        })
        yield* tried(`cat ${notes}`)
        yield* tried(`cat ../../${folderOf("acme")}/workspace/notes`)
        yield* tried(`ls ${of("acme")}`)
        yield* tried(`ls ${folder}`)
        yield* tried(`echo globex >> ${notes}`)
        yield* tried(`ln -s ${notes} link && cat link`)
        // Nor its own login and configuration.
        yield* tried(`cat ${of("globex")}/codex/config.toml`)
        // Nor what everybody may write.
        yield* tried("echo mine > /tmp/of-a-tenant")
        assert.strictEqual(yield* fs.readFileString(notes), "mine\n")
        const { said } = yield* Effect.provide(run("echo hers > $TMPDIR/a && cat $TMPDIR/a"), tenants.get("globex"))
        assert.include(said, "hers")
      })
  )

  real(
    "starts no program that its agent has written into the configuration of a folder",
    ({ folder, tenants }) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const of = (tenant: string) => `${folder}/${folderOf(tenant)}`
        yield* Effect.provide(run("echo mine > notes"), tenants.get("acme"))
        const cwd = `${of("globex")}/workspace/project`
        yield* Effect.provide(
          run([
            "mkdir -p project/.codex",
            `printf '#!/bin/sh\\ncp ${of("acme")}/workspace/notes ${cwd}/stolen\\n' > project/program`,
            "chmod +x project/program",
            `printf '[mcp_servers.own]\\ncommand = "${cwd}/program"\\n' > project/.codex/config.toml`
          ].join(" && ")),
          tenants.get("globex")
        )
        assert.isTrue(yield* fs.exists(`${cwd}/.codex/config.toml`))
        for (const options of [{ cwd }, { cwd, config: { model_verbosity: "low" } }]) {
          yield* Effect.provide(run("ls", options), tenants.get("globex"))
        }
        assert.isFalse(yield* fs.exists(`${cwd}/stolen`))
        assert.notInclude(yield* fs.readFileString(`${of("globex")}/codex/config.toml`), "trust")

        // In a folder that the program trusts it does start.
        const trusted = { cwd, config: { projects: { [cwd]: { trust_level: "trusted" } } } }
        yield* Effect.provide(run("ls", trusted), tenants.get("globex"))
        assert.isTrue(yield* fs.exists(`${cwd}/stolen`))
      })
  )

  real(
    "has handlers of its own",
    ({ tenants }) =>
      Effect.gen(function*() {
        const asked: Array<string> = []
        const approving = (name: string) =>
          Effect.gen(function*() {
            const rpc = yield* AppServerRpc.AppServerRpc
            yield* rpc.handle({
              "item/commandExecution/requestApproval": () =>
                Effect.sync(() => {
                  asked.push(name)
                  return { decision: "decline" as const }
                })
            })
            const codex = yield* Codex.Codex
            return yield* codex.startThread({ approvalMode: ApprovalMode.ask })
          })
        const acme = yield* tenants.contextEffect("acme")
        const globex = yield* tenants.contextEffect("globex")
        yield* Effect.provide(approving("acme"), acme)
        const thread = yield* Effect.provide(approving("globex"), globex)
        yield* thread.run("touch a")
        assert.deepStrictEqual(asked, ["globex"])
      }),
    {
      model: {
        answer: (request) =>
          request.toolOutputs.length === 0
            ? ScriptedModel.exec(request.prompt, {
              args: { sandbox_permissions: "require_escalated", justification: "why not" }
            })
            : "done"
      }
    }
  )

  real(
    "has limits of its own",
    ({ tenants }) =>
      Effect.gen(function*() {
        const loaded = Effect.gen(function*() {
          const codex = yield* Codex.Codex
          for (let i = 0; i < 3; i++) yield* run("true")
          return (yield* codex.loadedThreads).length
        })
        assert.strictEqual(yield* Effect.provide(loaded, tenants.get("acme")), 1)
        assert.strictEqual(yield* Effect.provide(loaded, tenants.get("globex")), 3)
      }),
    { tenants: { options: (tenant) => tenant === "acme" ? { maxLoadedThreads: 1 } : {} } }
  )

  real(
    "that nobody uses has no process, and has everything again when it is needed",
    ({ tenants }) =>
      Effect.gen(function*() {
        const used = Effect.gen(function*() {
          const { id } = yield* run("true")
          const { processes } = yield* (yield* CodexPool.CodexPool).stats
          return { id, pid: processes[0]!.pid }
        })
        const { id, pid } = yield* Effect.provide(used, tenants.get("acme"))
        yield* ended(pid)
        const thread = yield* Effect.flatMap(Codex.Codex, (codex) => codex.resumeThread(id)).pipe(
          Effect.flatMap((thread) => thread.run("true")),
          Effect.provide(tenants.get("acme"))
        )
        assert.strictEqual(thread.status, "completed")
      }),
    { tenants: { idleTimeToLive: "100 millis" } }
  )

  real(
    "without a name is refused, and so is a folder that cannot be made, and arguments that replace its sandbox",
    ({ folder, tenants }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(tenants.contextEffect("")))
        assert.strictEqual(error._tag, "AppServerStartError")
        assert.include(error.message, "the name of the tenant is empty")
        const fs = yield* FileSystem.FileSystem
        yield* fs.writeFileString(`${folder}/file`, "")
        const wrong = yield* CodexPool.byTenant({ folder: `${folder}/file` })
        const other = yield* Effect.flip(Effect.scoped(wrong.contextEffect("acme")))
        assert.include(other.message, "the folder of a tenant cannot be made")

        const options = () => ({ args: ["app-server"] })
        const unguarded = yield* CodexPool.byTenant({ folder, options })
        const refused = yield* Effect.flip(Effect.scoped(unguarded.contextEffect("acme")))
        assert.include(refused.message, "which `args` replaces")
      })
  )
})

describe("the folder of a tenant", () => {
  real(
    "is no link, and for this user only, also if it was there before",
    ({ folder, tenants }) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const own = `${folder}/${folderOf("acme")}`
        yield* fs.chmod(own, 0o755)
        yield* Effect.provide(run("true"), tenants.get("acme"))
        assert.strictEqual((yield* fs.stat(own)).mode & 0o777, 0o700)

        for (const moved of [`${folder}/${folderOf("globex")}`, `${folder}/${folderOf("initech")}/workspace`]) {
          yield* fs.makeDirectory(moved, { recursive: true })
          yield* fs.rename(moved, `${folder}/../elsewhere`)
          yield* fs.symlink(`${folder}/../elsewhere`, moved)
          const name = moved.includes("globex") ? "globex" : "initech"
          const error = yield* Effect.flip(Effect.scoped(tenants.contextEffect(name)))
          assert.include(error.message, `${moved} is a link`)
          yield* fs.remove(`${folder}/../elsewhere`, { recursive: true })
        }
      })
  )

  it("is another for each, and inside the folder of all", () => {
    const names = [
      "a",
      "A",
      "a/b",
      "a\\b",
      "..",
      ".",
      "a..b",
      "a_2fb",
      "tenant-a",
      "ä",
      "a\0",
      "con",
      " ",
      "x".repeat(200),
      `${"x".repeat(200)}y`
    ]
    const folders = names.map(folderOf)
    assert.strictEqual(new Set(folders.map((folder) => folder.toLowerCase())).size, names.length)
    for (const folder of folders) assert.match(folder, /^tenant[-_][a-z\d_-]{1,100}$/)
  })
})
