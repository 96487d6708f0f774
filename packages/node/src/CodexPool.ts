/**
 * Many codex processes behind one client.
 *
 * @since 0.1.0
 */
import type * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import type * as Auth from "@effect-codex/client/Auth"
import type * as Codex from "@effect-codex/client/Codex"
import type { AppServerStartError, CodexExecutableNotFound } from "@effect-codex/client/CodexError"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LayerMap from "effect/LayerMap"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as CodexNode from "./CodexNode.ts"
import * as NodeClient from "./internal/nodeClient.ts"
import * as OnDemand from "./internal/onDemand.ts"

// =============================================================================
// Service
// =============================================================================

/**
 * What one process of a pool does and uses.
 *
 * @see {@link CodexPool}
 * @category models
 * @since 0.1.0
 */
export interface ProcessStats {
  /** The place in the pool, from 0. It stays when the process is replaced. */
  readonly index: number
  /** The id of the process, or of the last one while another is being started. */
  readonly pid: number
  /**
   * - `up`: it runs.
   * - `draining`: it is replaced once nothing runs in it; new threads go elsewhere.
   * - `restoring`: it has ended, and another is being started.
   * - `ended`: it has ended, and its `restart` schedule too.
   */
  readonly state: "up" | "draining" | "restoring" | "ended"
  /** How many threads it has loaded. */
  readonly loaded: number
  /** How many of its threads run something, or are about to be loaded. */
  readonly active: number
  /** How many threads were placed on it since it was started. */
  readonly placed: number
  /** How long it has run. */
  readonly age: Duration.Duration
  /** How many times the process in this place was replaced. */
  readonly restarts: number
  /** The open file descriptors and their limit. None where the system does not tell: anywhere but on Linux. */
  readonly descriptors: Option.Option<{ readonly open: number; readonly limit: number }>
  /** The memory that it occupies, in bytes. None where the system does not tell. */
  readonly residentMemory: Option.Option<number>
}

/**
 * The processes of a pool at a moment.
 *
 * @see {@link CodexPool}
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  readonly processes: ReadonlyArray<ProcessStats>
  /** The id of the spare process, if one waits. */
  readonly sparePid: Option.Option<number>
}

/**
 * The processes behind a {@link layer}.
 *
 * **Example** (Reporting the load)
 *
 * ```ts
 * import { CodexPool } from "@effect-codex/node"
 * import { Console, Effect } from "effect"
 *
 * export const report = Effect.gen(function*() {
 *   const pool = yield* CodexPool.CodexPool
 *   const { processes } = yield* pool.stats
 *   yield* Effect.forEach(processes, ({ active, index, loaded }) => Console.log({ index, active, loaded }))
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class CodexPool extends Context.Service<CodexPool, {
  /** What each process does and uses. Reading it also sets the metric `effect_codex_pool_threads`. */
  readonly stats: Effect.Effect<Stats>
  /**
   * Replaces all processes, one after the other, for example after an update of codex or of its configuration. Each
   * goes once nothing runs in it; its threads come back in the next one with their next call. Waits for that as long
   * as it takes. If no other process can be started in the place of one, the rest is kept. When it is interrupted, the
   * process whose turn it is goes on as before.
   */
  readonly recycle: Effect.Effect<void>
}>()("@effect-codex/node/CodexPool") {}

// =============================================================================
// Options
// =============================================================================

/**
 * Options of the pool, and of each of its clients.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Omit<CodexNode.Options, "restart"> {
  /** How many processes. Default: one for each processor that this program may use, up to 4. */
  readonly processes?: number | undefined
  /**
   * When to start another process in the place of one that has ended. When the schedule ends, the place stays empty and
   * the calls of its threads fail; new threads go elsewhere. A process that the pool replaces is no failure, and counts
   * for nothing. Default: for ever, at first after 5 ms, then after growing pauses of up to 30 seconds.
   */
  readonly restart?: AppServerRpc.RestartSchedule | undefined
  /** How many threads each process may keep loaded: see `Codex.Options`. Default: no limit. */
  readonly maxLoadedThreads?: number | undefined
  /**
   * Whether to keep one more process started, which takes the place of one that ends. It uses some 35 MiB while it
   * waits. Default: false.
   */
  readonly spare?: boolean | undefined
  /**
   * Replaces a process that has run for `age`, or on which `threads` threads were placed, once nothing runs in it. New
   * threads go to the others meanwhile, of which at least half stay. A single process that always has something to do
   * is never replaced. What codex keeps only in memory is lost then, as with `maxLoadedThreads`; a thread that would
   * lose anything else keeps its process. Default: never.
   */
  readonly recycleAfter?:
    | { readonly age?: Duration.Input | undefined; readonly threads?: number | undefined }
    | undefined
  /**
   * How long a process may neither answer nor say anything before it is ended and replaced. Its turns are settled as
   * those of a process that has crashed. One that has just been started, or was the spare one, has `initializeTimeout`
   * instead. A time in which this program or the machine stood still counts little. `Duration.infinity` never ends one.
   * Default: 30 seconds.
   */
  readonly hangTimeout?: Duration.Input | undefined
}

/**
 * Options of {@link byTenant}.
 *
 * @category options
 * @since 0.1.0
 */
export interface TenantsOptions {
  /**
   * Where the folders of the tenants are; it is made if it is missing. Nothing else should be in it, because no agent
   * sees anything of it but its tenant's workspace.
   */
  readonly folder: string
  /**
   * The options of a tenant's pool, such as `env`, `budget` or `maxLoadedThreads`. Default: one process, with its
   * `credentialsStore` in a file of the tenant.
   */
  readonly options?: ((tenant: string) => Options) | undefined
  /**
   * The variables of this program that the tenants get, besides `PATH`, the language, the time zone and the
   * certificates. Default: none.
   */
  readonly inheritEnv?: ReadonlyArray<string> | undefined
  /** How long the processes of a tenant stay when nobody uses them. Default: 10 minutes. */
  readonly idleTimeToLive?: Duration.Input | undefined
}

// =============================================================================
// Layers
// =============================================================================

/**
 * A layer with one client for many codex processes, which share a `CODEX_HOME`.
 *
 * **When to use**
 *
 * When codex itself is the limit: many turns at once of a model that answers quickly. One process uses up to two cores,
 * and a crash ends all of its turns. If the turns wait for the model, `CodexNode.layer` does as well.
 *
 * **Details**
 *
 * - A new thread goes to the process with the fewest active threads, then the fewest loaded ones. It stays there,
 *   because codex lets one process write a thread. A stored thread goes to the process that has it, or had it last.
 * - A process that ends or hangs is replaced. What becomes of its turns, threads and calls is documented at
 *   `AppServerRpc.layerSupervised`; the other processes do not notice.
 * - `Auth` logs in all processes. `AppServerRpc` sends a request about a thread to its process, and everything else,
 *   such as the files and commands of `Workspace`, to the first one; its notifications are those of all.
 * - `listThreads` and all that is not of one thread is asked of the process with the least to do.
 *
 * Fails with `CodexExecutableNotFound` and `AppServerStartError` as `CodexNode.layer` does, if one of the processes
 * does not start.
 *
 * **Gotchas**
 *
 * A login in a browser or with a device code reaches the other processes through the file in their `CODEX_HOME`, which
 * takes them about a second. With `credentialsStore: "ephemeral"` it does not.
 *
 * **Example** (Eight questions on four processes)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { CodexPool } from "@effect-codex/node"
 * import { Effect } from "effect"
 *
 * const ask = Effect.fn("ask")(function*(question: string) {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread()
 *   return yield* thread.run(question)
 * })
 *
 * export const program = Effect.forEach(Array.from({ length: 8 }, (_, i) => `Question ${i}?`), ask, {
 *   concurrency: "unbounded"
 * }).pipe(Effect.provide(CodexPool.layer({ processes: 4, spare: true })))
 * ```
 *
 * @see {@link layerConfig} for options from the environment
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | CodexPool,
  CodexExecutableNotFound | AppServerStartError
> =>
  Layer.effectContext(Effect.flatMap(
    OnDemand.load("the pool", () => import("./internal/pool/pool.ts")),
    ({ make }) => make(options)
  )).pipe(Layer.provide(NodeClient.NodeLive))

/**
 * A {@link layer} that reads its options from the `ConfigProvider`. Also fails with `ConfigError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (config: Config.Wrap<Options>): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | CodexPool,
  CodexExecutableNotFound | AppServerStartError | Config.ConfigError
> => Layer.unwrap(Effect.map(Config.unwrap(config), layer))

/**
 * A client for each tenant, started when it is needed, as an Effect `LayerMap`: `tenants.get("acme")` is the layer of
 * one.
 *
 * **Details**
 *
 * A tenant has a folder of its own, `tenant-<name>` in `folder`, which only this user may read:
 *
 * | Folder | |
 * |---|---|
 * | `codex` | its `CODEX_HOME`: configuration, login, threads |
 * | `workspace` | where its agent works and may write, if a thread has no `cwd` |
 * | `tmp` | its `TMPDIR` |
 *
 * - Nothing of one tenant's client is known to another's: threads, logins, handlers, budgets.
 * - The process gets no variable of this program but the few named at `inheritEnv`; its `HOME` is the tenant's folder.
 * - A permissions profile named `tenant`, which threads have by default, keeps commands of the agent from `folder`, but
 *   for the tenant's `workspace` and `tmp`, and from `/tmp` and `/var/tmp`.
 *
 * A layer fails as {@link layer} does, and with `AppServerStartError` for an empty name, and a folder that cannot be
 * made or is a link, because what it leads to would not be kept from the other tenants.
 *
 * **Gotchas**
 *
 * - The sandbox is codex's, on the same kernel and for the same user. What has no sandbox can read whatever this user
 *   can read: a thread with a `sandbox` or other `permissions` of its own, a command that a handler lets leave the
 *   sandbox, an MCP server, and this program when it follows a link in a tenant's workspace. Tenants that do not trust
 *   each other at all need containers or machines of their own.
 * - The `cwd` of a thread is not trusted, because the agent may have written what is in it: codex reads neither its
 *   `AGENTS.md` nor its `.codex`. To trust one, start its thread with
 *   `config: { projects: { [cwd]: { trust_level: "trusted" } } }`.
 *
 * **Example** (A question for a tenant)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { CodexPool } from "@effect-codex/node"
 * import { Effect } from "effect"
 *
 * const ask = Effect.fn("ask")(function*(question: string) {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread()
 *   return yield* thread.run(question)
 * })
 *
 * export const program = Effect.gen(function*() {
 *   const tenants = yield* CodexPool.byTenant({ folder: "/var/lib/my-service/tenants", idleTimeToLive: "5 minutes" })
 *   return yield* ask("What did I ask before?").pipe(Effect.provide(tenants.get("acme")))
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byTenant = (options: TenantsOptions): Effect.Effect<
  LayerMap.LayerMap<
    string,
    Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | CodexPool,
    CodexExecutableNotFound | AppServerStartError
  >,
  never,
  Scope.Scope
> =>
  LayerMap.make(
    (tenant: string) =>
      Layer.effectContext(Effect.flatMap(
        OnDemand.load("the tenants", () => import("./internal/pool/tenant.ts")),
        ({ make }) => make(tenant, options)
      )).pipe(Layer.provide(NodeClient.NodeLive)),
    { idleTimeToLive: options.idleTimeToLive ?? "10 minutes" }
  )
