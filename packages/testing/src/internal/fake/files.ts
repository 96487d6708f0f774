/** Files in memory, for the requests of a client about files. The commands of the model do not see them. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Path from "node:path"
import type { Connection } from "./connection.ts"
import type { Home } from "./home.ts"
import * as Refused from "./refused.ts"

type Method = Extract<keyof ClientRequests, `fs/${string}`>

type Handler<M extends Method> = (
  server: { readonly connection: Connection; readonly scope: Scope.Scope },
  params: ClientRequests[M]["params"],
  reply: (result: ClientRequests[M]["result"]) => void
) => Effect.Effect<void, Refused.Refused>

interface Watch {
  readonly connection: Connection
  readonly watchId: string
  readonly path: string
}

/** The errors of the operating system, as Linux numbers them. */
const refused = {
  notFound: "No such file or directory (os error 2)",
  exists: "File exists (os error 17)",
  notFolder: "Not a directory (os error 20)",
  isFolder: "Is a directory (os error 21)",
  notEmpty: "Directory not empty (os error 39)"
}

const fail = (error: keyof typeof refused) => new Refused.Refused({ code: -32603, message: refused[error] })

const folder = Symbol("folder")

export class Files {
  private readonly entries = new Map<string, Uint8Array | typeof folder>()
  private readonly watches = new Set<Watch>()

  constructor(cwd: string, files: { readonly [path: string]: string | Uint8Array }) {
    this.makeFolders(cwd)
    for (const [path, content] of Object.entries(files)) {
      const absolute = Path.posix.resolve(cwd, path)
      this.makeFolders(Path.posix.dirname(absolute))
      this.entries.set(absolute, typeof content === "string" ? new TextEncoder().encode(content) : content)
    }
  }

  find(path: string): Uint8Array | typeof folder | undefined {
    return this.entries.get(Path.posix.resolve(path))
  }

  set(path: string, content: Uint8Array | typeof folder): void {
    this.entries.set(Path.posix.resolve(path), content)
  }

  delete(path: string): void {
    this.entries.delete(Path.posix.resolve(path))
  }

  makeFolders(path: string): void {
    if (this.entries.has(path)) return
    if (path !== "/") this.makeFolders(Path.posix.dirname(path))
    this.entries.set(path, folder)
  }

  /** The paths below a folder, parents first. */
  below(path: string): ReadonlyArray<string> {
    const above = Path.posix.join(Path.posix.resolve(path), "/")
    return [...this.entries.keys()].filter((one) => one.startsWith(above) && one !== above).sort()
  }

  /** What stands in the way of the path: a file among its folders, or a folder that is missing. */
  problemAbove(path: string): Refused.Refused | undefined {
    const parent = Path.posix.dirname(Path.posix.resolve(path))
    const above = this.find(parent)
    if (above === folder) return undefined
    return above === undefined ? this.problemAbove(parent) ?? fail("notFound") : fail("notFolder")
  }

  missing(path: string): Refused.Refused {
    return this.problemAbove(path) ?? fail("notFound")
  }

  watch(watch: Watch): boolean {
    const isTaken = [...this.watches].some(({ connection, watchId }) =>
      connection === watch.connection && watchId === watch.watchId
    )
    if (!isTaken) this.watches.add(watch)
    return !isTaken
  }

  unwatch(connection: Connection, watchId?: string): void {
    for (const watch of this.watches) {
      if (watch.connection === connection && (watchId ?? watch.watchId) === watch.watchId) this.watches.delete(watch)
    }
  }

  /** Codex collects changes for some time; here each change is told at once. */
  changed(path: string): void {
    const changed = Path.posix.resolve(path)
    for (const { connection, path, watchId } of this.watches) {
      if (path === changed || path === Path.posix.dirname(changed)) {
        connection.notify("fs/changed", { watchId, changedPaths: [changed] })
      }
    }
  }
}

const homes = new WeakMap<Home, Files>()

/** Gives a home its files. */
export const init = (home: Home, files: { readonly [path: string]: string | Uint8Array }): void => {
  homes.set(home, new Files(home.cwd, files))
}

/** The files of a connection's home. */
export const filesOf = ({ home }: Connection): Files => {
  const known = homes.get(home)
  if (known !== undefined) return known
  const made = new Files(home.cwd, {})
  homes.set(home, made)
  return made
}

const kindOf = (entry: Uint8Array | typeof folder) => ({ isDirectory: entry === folder, isFile: entry !== folder })

const handlersOf: { readonly [M in Method]: Handler<M> } = {
  "fs/readFile": Effect.fnUntraced(function*({ connection }, { path }, reply) {
    const files = filesOf(connection)
    const found = files.find(path)
    if (found === undefined) return yield* files.missing(path)
    if (found === folder) return yield* Refused.invalidRequest(`path \`${path}\` is not a file`)
    reply({ dataBase64: Buffer.from(found).toString("base64") })
  }),

  "fs/writeFile": Effect.fnUntraced(function*({ connection }, { dataBase64, path }, reply) {
    const files = filesOf(connection)
    const problem = files.problemAbove(path)
    if (problem !== undefined) return yield* problem
    if (files.find(path) === folder) return yield* fail("isFolder")
    files.set(path, new Uint8Array(Buffer.from(dataBase64, "base64")))
    reply({})
    files.changed(path)
  }),

  "fs/getMetadata": Effect.fnUntraced(function*({ connection }, { path }, reply) {
    const files = filesOf(connection)
    const found = files.find(path)
    if (found === undefined) return yield* files.missing(path)
    reply({ ...kindOf(found), isSymlink: false, createdAtMs: 0, modifiedAtMs: connection.now() })
  }),

  "fs/readDirectory": Effect.fnUntraced(function*({ connection }, { path }, reply) {
    const files = filesOf(connection)
    const found = files.find(path)
    if (found === undefined) return yield* files.missing(path)
    if (found !== folder) return yield* fail("notFolder")
    reply({
      entries: files.below(path).filter((one) => Path.posix.dirname(one) === Path.posix.resolve(path)).map((one) => ({
        fileName: Path.posix.basename(one),
        ...kindOf(files.find(one) ?? folder)
      }))
    })
  }),

  "fs/createDirectory": Effect.fnUntraced(function*({ connection }, { path, recursive }, reply) {
    const files = filesOf(connection)
    const found = files.find(path)
    const isRecursive = recursive ?? true
    if (found === folder && isRecursive) return reply({})
    if (found !== undefined) return yield* fail("exists")
    const problem = files.problemAbove(path)
    if (problem !== undefined && (!isRecursive || problem.message !== refused.notFound)) return yield* problem
    files.makeFolders(Path.posix.resolve(path))
    reply({})
    files.changed(path)
  }),

  "fs/remove": Effect.fnUntraced(function*({ connection }, { force, path, recursive }, reply) {
    const files = filesOf(connection)
    const found = files.find(path)
    if (found === undefined) return (force ?? true) ? reply({}) : yield* files.missing(path)
    const below = files.below(path)
    if (below.length > 0 && !(recursive ?? true)) return yield* fail("notEmpty")
    for (const one of below) files.delete(one)
    files.delete(path)
    reply({})
    files.changed(path)
  }),

  "fs/copy": Effect.fnUntraced(function*({ connection }, { destinationPath, recursive, sourcePath }, reply) {
    const files = filesOf(connection)
    const found = files.find(sourcePath)
    if (found === undefined) return yield* files.missing(sourcePath)
    if (found !== folder) {
      const problem = files.problemAbove(destinationPath)
      if (problem !== undefined) return yield* problem
      if (files.find(destinationPath) === folder) return yield* fail("isFolder")
      files.set(destinationPath, found)
    } else {
      if (recursive !== true) {
        return yield* Refused.invalidRequest("fs/copy requires recursive: true when sourcePath is a directory")
      }
      const source = Path.posix.resolve(sourcePath)
      if (Path.posix.join(Path.posix.resolve(destinationPath), "/").startsWith(Path.posix.join(source, "/"))) {
        return yield* Refused.invalidRequest(
          "fs/copy cannot copy a directory to itself or one of its descendants"
        )
      }
      files.makeFolders(Path.posix.resolve(destinationPath))
      for (const one of files.below(source)) {
        files.set(Path.posix.join(destinationPath, Path.posix.relative(source, one)), files.find(one) ?? folder)
      }
    }
    reply({})
    files.changed(destinationPath)
  }),

  "fs/watch": Effect.fnUntraced(function*({ connection, scope }, { path, watchId }, reply) {
    const files = filesOf(connection)
    const isNew = files.watch({ connection, watchId, path: Path.posix.resolve(path) })
    if (!isNew) return yield* Refused.invalidRequest(`watchId already exists: ${watchId}`)
    yield* Scope.addFinalizer(scope, Effect.sync(() => files.unwatch(connection)))
    reply({ path: Path.posix.resolve(path) })
  }),

  "fs/unwatch": ({ connection }, { watchId }, reply) =>
    Effect.sync(() => {
      filesOf(connection).unwatch(connection, watchId)
      reply({})
    })
}

const paths = ["path", "sourcePath", "destinationPath"]

const checked = <M extends Method>(handler: Handler<M>): Handler<M> => (server, params, reply) =>
  paths.some((name) => {
      const path: unknown = Reflect.get(params, name)
      return typeof path === "string" && !path.startsWith("/")
    })
    ? Effect.fail(Refused.malformed("AbsolutePathBuf deserialized without a base path"))
    : handler(server, params, reply)

export const handlers: { readonly [M in Method]: Handler<M> } = {
  "fs/copy": checked(handlersOf["fs/copy"]),
  "fs/createDirectory": checked(handlersOf["fs/createDirectory"]),
  "fs/getMetadata": checked(handlersOf["fs/getMetadata"]),
  "fs/readDirectory": checked(handlersOf["fs/readDirectory"]),
  "fs/readFile": checked(handlersOf["fs/readFile"]),
  "fs/remove": checked(handlersOf["fs/remove"]),
  "fs/unwatch": handlersOf["fs/unwatch"],
  "fs/watch": checked(handlersOf["fs/watch"]),
  "fs/writeFile": checked(handlersOf["fs/writeFile"])
}
