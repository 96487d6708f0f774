import * as Client from "@effect-codex/client/Workspace"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CallOptions } from "../Options.ts"
import type { FileInfo, Workspace } from "../Workspace.ts"
import type { Host, Services } from "./host.ts"
import { readable } from "./readable.ts"
import * as results from "./results.ts"
import { acquire, closeWithSignal } from "./turn.ts"

const info = (found: Client.FileInfo): FileInfo => ({
  ...found,
  createdAt: results.date(found.createdAt),
  modifiedAt: results.date(found.modifiedAt)
})

const withoutSignal = <A extends CallOptions>(options: A | undefined): Omit<A, "signal"> => {
  const { signal: _signal, ...rest } = options ?? ({} as A)
  return rest
}

export const make = (host: Host): Workspace => {
  const using = <A>(
    use: (workspace: Client.Workspace["Service"]) => Effect.Effect<A, unknown, Services>,
    options: CallOptions | undefined
  ): Promise<A> => host.run(Effect.flatMap(Client.make, use), options?.signal)
  const starting = <A>(
    use: (workspace: Client.Workspace["Service"]) => Effect.Effect<A, unknown, Services | Scope.Scope>
  ) => Effect.flatMap(Client.make, use)

  return {
    readFile: (path, options) => using((it) => it.readFile(path), options),
    readText: (path, options) => using((it) => it.readText(path), options),
    writeFile: (path, content, options) => using((it) => it.writeFile(path, content), options),
    stat: (path, options) => using((it) => Effect.map(it.stat(path), info), options),
    list: (path, options) => using((it) => it.list(path), options),
    createFolder: (path, options) => using((it) => it.createFolder(path, withoutSignal(options)), options),
    remove: (path, options) => using((it) => it.remove(path, withoutSignal(options)), options),
    copy: (from, to, options) => using((it) => it.copy(from, to, withoutSignal(options)), options),
    watch: (path) => readable(host, Stream.unwrap(Effect.map(Client.make, (it) => it.watch(path)))),
    searchFiles: (query, folders, options) => using((it) => it.searchFiles(query, folders), options),
    searchFilesLive: (folders, options) =>
      acquire(
        host,
        starting((it) => it.searchFilesLive(folders)),
        (search, end) => {
          const close = () => {
            options?.signal?.removeEventListener("abort", onAbort)
            return end()
          }
          const onAbort = () => void close()
          options?.signal?.addEventListener("abort", onAbort, { once: true })
          return {
            search: (query, options) => host.run(search.search(query), options?.signal),
            results: readable(host, search.results),
            close,
            [Symbol.asyncDispose]: close
          }
        },
        options?.signal
      ),
    exec: (command, options) =>
      acquire(
        host,
        starting((it) => it.exec(command, withoutSignal(options))),
        (process, close) => {
          closeWithSignal(host, process.exit, close, options?.signal)
          return {
            write: (data, options) => host.run(process.write(data), options?.signal),
            closeStdin: (options) => host.run(process.closeStdin, options?.signal),
            stdout: readable(host, process.stdout, { isList: true }),
            stderr: readable(host, process.stderr, { isList: true }),
            exit: (options) => host.run(process.exit, options?.signal),
            kill: (options) => host.run(process.kill, options?.signal),
            resize: (size, options) => host.run(process.resize(size), options?.signal),
            close,
            [Symbol.asyncDispose]: close
          }
        },
        options?.signal
      ),
    run: (command, options) => using((it) => it.run(command, withoutSignal(options)), options),
    diffToRemote: (folder, options) => using((it) => it.diffToRemote(folder), options)
  }
}
