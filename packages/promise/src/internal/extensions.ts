import * as Client from "@effect-codex/client/Extensions"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Extensions } from "../Extensions.ts"
import type { CallOptions } from "../Options.ts"
import type { Host, Services } from "./host.ts"
import { readable } from "./readable.ts"
import { acquire, closeWithSignal } from "./turn.ts"

// The client takes the options that it knows, and no signal.
export const make = (host: Host): Extensions => {
  const using = <A>(
    use: (extensions: Client.Extensions["Service"]) => Effect.Effect<A, unknown, Services>,
    options: CallOptions | undefined
  ): Promise<A> => host.run(Effect.flatMap(Client.make, use), options?.signal)
  const starting = <A>(
    use: (extensions: Client.Extensions["Service"]) => Effect.Effect<A, unknown, Services | Scope.Scope>
  ) => Effect.flatMap(Client.make, use)

  return {
    skills: (options) => using((it) => it.skills(options), options),
    setSkillEnabled: (skill, enabled, options) => using((it) => it.setSkillEnabled(skill, enabled), options),
    addSkillRoots: (roots, options) =>
      acquire(
        host,
        starting((it) => it.addSkillRoots(roots)),
        (_, end) => {
          const close = () => {
            options?.signal?.removeEventListener("abort", onAbort)
            return end()
          }
          const onAbort = () => void close()
          options?.signal?.addEventListener("abort", onAbort, { once: true })
          return { close, [Symbol.asyncDispose]: close }
        },
        options?.signal
      ),
    skillChanges: readable(
      host,
      Stream.unwrap(Effect.map(Client.make, (it) => Stream.as(it.skillChanges, "changed" as const)))
    ),
    mcpServers: (options) => using((it) => it.mcpServers(options), options),
    reloadMcpServers: (options) => using((it) => it.reloadMcpServers, options),
    callTool: (call) => using((it) => it.callTool(call), call),
    readResource: (resource) => using((it) => it.readResource(resource), resource),
    loginMcpServer: (login) =>
      acquire(
        host,
        starting((it) => it.loginMcpServer(login)),
        ({ id, url, wait }, close) => {
          closeWithSignal(host, wait, close, login?.signal)
          return {
            id,
            url,
            wait: (options) => host.run(wait, options?.signal),
            close,
            [Symbol.asyncDispose]: close
          }
        },
        login?.signal
      ),
    apps: (options) => using((it) => it.apps(options), options),
    installedApps: (options) => using((it) => it.installedApps(options), options),
    readApps: (ids, options) => using((it) => it.readApps(ids, options), options),
    plugins: (options) => using((it) => it.plugins(options), options),
    readPlugin: (plugin, options) => using((it) => it.readPlugin(plugin), options),
    installPlugin: (plugin, options) => using((it) => it.installPlugin(plugin), options),
    uninstallPlugin: (id, options) => using((it) => it.uninstallPlugin(id), options),
    hooks: (options) => using((it) => it.hooks(options), options)
  }
}
