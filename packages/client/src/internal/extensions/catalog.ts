/** Apps, plugins and hooks. */
import * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InvalidArgument } from "../../CodexError.ts"
import type { Extensions, PluginSelector } from "../../Extensions.ts"
import { page, pages } from "../handles/pages.ts"
import * as OptionKinds from "../options.ts"
import { call } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import * as Paths from "../settings/serverPaths.ts"
import { defined } from "../settings/settings.ts"

type Catalog = Pick<
  Extensions["Service"],
  "apps" | "installedApps" | "readApps" | "plugins" | "readPlugin" | "installPlugin" | "uninstallPlugin" | "hooks"
>

const checkFolders = (folders: ReadonlyArray<string> | undefined) =>
  folders === undefined ? Effect.void : Paths.checkAll("folders", folders)

const located = Effect.fnUntraced(function*(plugin: PluginSelector) {
  yield* OptionKinds.checkArgument("plugin", plugin, OptionKinds.record)
  const { marketplace, marketplacePath, name } = { marketplace: undefined, marketplacePath: undefined, ...plugin }
  yield* OptionKinds.checkArgument("name", name, OptionKinds.text)
  if ((marketplace === undefined) === (marketplacePath === undefined)) {
    return yield* new InvalidArgument({
      argument: "plugin",
      detail: "expected either `marketplacePath`, the path of a local marketplace's file, or `marketplace`, the name " +
        "of a remote one."
    })
  }
  if (marketplacePath !== undefined) yield* Paths.check("marketplacePath", marketplacePath)
  return { pluginName: name, ...defined({ marketplacePath, remoteMarketplaceName: marketplace }) }
})

export const make = (rpc: Rpc): Catalog => ({
  apps: Effect.fn("Extensions.apps")(function*(options) {
    yield* OptionKinds.check(options, { refetch: OptionKinds.flag, threadId: OptionKinds.text })
    const { refetch: forceRefetch, threadId } = options ?? {}
    return yield* Stream.runCollect(
      pages(
        "app/list",
        options,
        undefined,
        (at) =>
          rpc.request("app/list", defined({ forceRefetch, threadId, ...at })).pipe(
            page(rpc, "app/list", Received.AppsListResponse)
          )
      )
    )
  }),
  installedApps: Effect.fn("Extensions.installedApps")(function*(options) {
    yield* OptionKinds.check(options, { refetch: OptionKinds.flag, threadId: OptionKinds.text })
    const { refetch: forceRefresh, threadId } = options ?? {}
    return (yield* rpc.request("app/installed", defined({ forceRefresh, threadId }))).apps
  }),
  readApps: Effect.fn("Extensions.readApps")(function*(ids, options) {
    yield* OptionKinds.checkArgument("ids", ids, OptionKinds.texts)
    yield* OptionKinds.check(options, { includeTools: OptionKinds.flag, threadId: OptionKinds.text })
    const { includeTools, threadId } = options ?? {}
    return yield* rpc.request("app/read", { appIds: ids, ...defined({ includeTools, threadId }) })
  }),
  plugins: Effect.fn("Extensions.plugins")(function*(options) {
    yield* OptionKinds.check(options, { kinds: OptionKinds.texts, refetch: OptionKinds.flag })
    const { folders: cwds, kinds: marketplaceKinds, refetch: forceRefetch } = options ?? {}
    yield* checkFolders(cwds)
    return yield* rpc.request("plugin/list", defined({ cwds, forceRefetch, marketplaceKinds }))
  }),
  readPlugin: Effect.fn("Extensions.readPlugin")(function*(plugin) {
    return (yield* rpc.request("plugin/read", yield* located(plugin))).plugin
  }),
  installPlugin: Effect.fn("Extensions.installPlugin")(function*(plugin) {
    return yield* rpc.request("plugin/install", yield* located(plugin))
  }),
  uninstallPlugin: Effect.fn("Extensions.uninstallPlugin")(function*(id) {
    yield* OptionKinds.checkArgument("id", id, OptionKinds.text)
    yield* call(rpc, "plugin/uninstall", { pluginId: id })
  }),
  hooks: Effect.fn("Extensions.hooks")(function*(options) {
    yield* OptionKinds.check(options, { threadId: OptionKinds.text })
    const { folders: cwds, threadId } = { folders: undefined, threadId: undefined, ...options }
    yield* checkFolders(cwds)
    return (yield* rpc.request("hooks/list", defined({ cwds, threadId }))).data
  })
})
