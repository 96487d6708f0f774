/** What keeps the tenants of one machine apart: a folder, an environment and a sandbox of their own. */
import { AppServerStartError } from "@effect-codex/client/CodexError"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as Crypto from "node:crypto"
import type { Options, TenantsOptions } from "../../CodexPool.ts"
import type * as PoolCodex from "./codex.ts"
import * as Pool from "./pool.ts"

/** Variables of this program that no tenant can do without, and that tell nothing. */
const harmless = /^(?:PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|SSL_CERT_(?:FILE|DIR)|SystemRoot|ComSpec|PATHEXT|windir)$/i

/** A longer name of a folder may be more than the system allows. */
const longest = 100

/** A different folder for each tenant, also where the system ignores the case of names. */
export const folderOf = (tenant: string): string => {
  const name = Array.from(
    Buffer.from(tenant, "utf8"),
    (byte) =>
      /[a-z\d-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `_${byte.toString(16).padStart(2, "0")}`
  ).join("")
  return name.length <= longest
    ? `tenant-${name}`
    : `tenant_${Crypto.createHash("sha256").update(tenant).digest("hex")}`
}

/** Removes every other variable of this program. */
const environment = (kept: ReadonlyArray<string>, own: Options["env"]): NonNullable<Options["env"]> => ({
  ...Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => !harmless.test(name) && !kept.includes(name))
      .map((name) => [name, undefined])
  ),
  ...own
})

/** The name of the permissions profile. */
const profile = "tenant"

/** Commands of the agent see nothing of the other tenants, nor of the tenant's own login and history. */
const overrides = (all: string, workspace: string, temporary: string) => ({
  default_permissions: profile,
  permissions: {
    [profile]: {
      extends: ":workspace",
      // The system's folder for temporary files is everybody's.
      filesystem: { [all]: "deny", [workspace]: "write", [temporary]: "write", "/tmp": "deny", "/var/tmp": "deny" }
    }
  }
})

const startError = (detail: string, more: { readonly cause?: unknown; readonly option?: string } = {}) =>
  new AppServerStartError({ phase: "spawn", executable: "codex", detail, stderr: [], ...more })

/** The options of a tenant's pool, whose folders exist. */
const optionsOf = Effect.fnUntraced(function*(tenant: string, tenants: TenantsOptions): Effect.fn.Return<
  Options,
  AppServerStartError,
  FileSystem.FileSystem | Path.Path
> {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  if (typeof tenant !== "string" || tenant === "") return yield* startError("the name of the tenant is empty.")

  const make = Effect.gen(function*() {
    yield* fs.makeDirectory(tenants.folder, { recursive: true, mode: 0o700 })
    // codex compares real paths.
    const all = yield* fs.realPath(tenants.folder)
    const own = join(all, folderOf(tenant))
    const [home, workspace, temporary] = [join(own, "codex"), join(own, "workspace"), join(own, "tmp")]
    let link: string | undefined
    for (const folder of [own, home, workspace, temporary]) {
      yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
      if ((yield* fs.realPath(folder)) !== folder) link ??= folder
    }
    // It may have been there before.
    yield* fs.chmod(own, 0o700)
    return { all, own, home, link, workspace, temporary }
  })
  const { all, home, link, own, temporary, workspace } = yield* Effect.mapError(
    make,
    (cause) => startError(`the folder of a tenant cannot be made: ${cause.message}`, { cause })
  )
  if (link !== undefined) {
    return yield* startError(
      `${link} is a link. What it leads to is not kept from the other tenants. Move the folder of all tenants instead.`
    )
  }

  const given = tenants.options?.(tenant) ?? {}
  const { args, configOverrides = [] } = given
  if (args !== undefined) {
    return yield* startError("the sandbox of a tenant is given in arguments, which `args` replaces.", {
      option: "args"
    })
  }
  return {
    cwd: workspace,
    credentialsStore: "file",
    processes: 1,
    ...given,
    configOverrides: [
      overrides(all, workspace, temporary),
      ...(Symbol.iterator in configOverrides ? configOverrides : [configOverrides])
    ],
    env: {
      ...environment(tenants.inheritEnv ?? [], given.env),
      CODEX_HOME: home,
      HOME: own,
      USERPROFILE: own,
      TMPDIR: temporary,
      TMP: temporary,
      TEMP: temporary
    }
  }
})

/**
 * codex trusts the `cwd` that a thread is started with, and then starts the MCP servers that a `.codex` in it names,
 * outside of the sandbox. In a folder below its workspace the agent itself may have written that.
 * docs/codex-behaviour.md, "A folder that a thread is started in is trusted".
 */
const withoutTrust: PoolCodex.Amend = (options) => {
  const cwd = options?.cwd
  if (cwd === undefined) return Effect.succeed(options)
  const { projects } = { projects: undefined, ...options?.config }
  const own = Predicate.isObject(projects) ? projects : {}
  return Effect.succeed({
    ...options,
    config: { ...options?.config, projects: { [cwd]: { trust_level: "untrusted" }, ...own } }
  })
}

/** The services of a tenant. */
export const make = (tenant: string, tenants: TenantsOptions) =>
  Effect.flatMap(optionsOf(tenant, tenants), (options) => Pool.make(options, withoutTrust))
