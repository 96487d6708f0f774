/** Starts codex with the hooks of `Hooks.layer`, and fails if it does not run them. */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import type * as CodexError from "@effect-codex/client/CodexError"
import { AppServerStartError } from "@effect-codex/client/CodexError"
import type * as ConfigOverrides from "@effect-codex/client/ConfigOverrides"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { Options } from "../CodexNode.ts"
import { InstalledHooks } from "./installedHooks.ts"
import * as OnDemand from "./onDemand.ts"

// Most programs have no hooks.
const hookConfig = OnDemand.load("the hooks", () => import("./hookConfig.ts"))
const hookServer = OnDemand.load("the hooks", () => import("./hookServer.ts"))

const startError = (
  phase: AppServerStartError["phase"],
  executable: string,
  detail: string,
  more: { readonly option?: string; readonly cause?: unknown } = {}
) => new AppServerStartError({ phase, executable, detail, stderr: [], ...more })

const isWindows = process.platform === "win32"

/** The overrides of the options, with those of the hooks, which listen until the scope closes. */
export const installed = Effect.fnUntraced(function*(
  { args, configOverrides = [] }: Pick<Options, "args" | "configOverrides">,
  executable: string
): Effect.fn.Return<ConfigOverrides.ConfigOverrides, AppServerStartError, Scope.Scope> {
  const hooks = yield* InstalledHooks
  if (hooks === undefined) return configOverrides
  if (hooks.problem !== undefined) {
    return yield* startError("spawn", executable, hooks.problem.detail, { option: hooks.problem.option })
  }
  if (isWindows) return yield* startError("spawn", executable, "hooks of this program do not work on Windows.")
  if (args !== undefined) {
    return yield* startError("spawn", executable, "hooks are given in arguments, which `args` replaces.", {
      option: "args"
    })
  }
  const HookServer = yield* hookServer
  const HookConfig = yield* hookConfig
  const { folder } = yield* Effect.mapError(
    HookServer.make(hooks),
    (cause) => startError("spawn", executable, `hooks need a folder and a socket: ${messageOf(cause)}`, { cause })
  )
  const own = Predicate.isIterable(configOverrides) ? configOverrides : [configOverrides]
  return [...own, HookConfig.overrides(hooks, executable, folder)]
})

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const check = Effect.fnUntraced(function*(rpc: AppServerRpc.AppServerRpc["Service"]) {
  const hooks = yield* InstalledHooks
  if (hooks === undefined) return
  const { data } = yield* Effect.mapError(
    rpc.request("hooks/list", {}),
    (cause: CodexError.CodexError) =>
      startError("initialize", "codex", `codex did not say which hooks it runs: ${cause.message}`, { cause })
  )
  const { missing: missingOf } = yield* hookConfig
  const missing = missingOf(hooks, data.flatMap((entry) => "hooks" in entry ? entry.hooks ?? [] : []))
  if (missing.length === 0) return
  yield* startError(
    "initialize",
    "codex",
    `it does not run the hooks of this program (${
      missing.join(", ")
    }). Its version may treat hooks in another way, or ` +
      `an administrator allows only managed hooks.`
  )
})

/** A connection to a codex that runs the hooks. */
export const checked = <E, R>(
  layer: Layer.Layer<AppServerRpc.AppServerRpc, E, R>
): Layer.Layer<AppServerRpc.AppServerRpc, E | AppServerStartError, R> =>
  Layer.tap(layer, (context) => check(Context.get(context, AppServerRpc.AppServerRpc)))

/** Hooks are arguments of a process, so a server that runs already cannot have them. */
export const layerRefused: Layer.Layer<never, AppServerStartError> = Layer.effectDiscard(
  Effect.flatMap(InstalledHooks, (hooks) =>
    hooks === undefined
      ? Effect.void
      : startError("initialize", "codex", "a server that runs already cannot get hooks of this program.", {
        option: "Hooks"
      }))
)
