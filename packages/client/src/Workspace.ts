/**
 * The workspace: files and commands on the machine of the app-server, which may be another machine than the program's.
 *
 * These are calls of the program, not of the agent: no approval is asked for. The file calls run with the rights of the
 * user that codex runs as, outside of any sandbox. Commands run in the sandbox that the call or the server's
 * configuration names.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { AppServerRpc } from "./AppServerRpc.ts"
import type { CallError, CommandCallError, ConnectionError, DecodeError, FileCallError } from "./CodexError.ts"
import { workspace } from "./internal/load.ts"
import type { Sandbox } from "./Sandbox.ts"

// =============================================================================
// Files
// =============================================================================

/**
 * What a path leads to, after following symbolic links. `other` is a device, a socket or a pipe; in a list it is also a
 * symbolic link that leads nowhere.
 *
 * @see {@link FileInfo}
 * @category models
 * @since 0.1.0
 */
export type FileKind = "file" | "folder" | "other"

/**
 * What the server says about a path.
 *
 * @see {@link FolderEntry}
 * @category models
 * @since 0.1.0
 */
export interface FileInfo {
  /** What the path leads to. */
  readonly kind: FileKind
  /** Whether the path itself is a symbolic link. */
  readonly isSymlink: boolean
  /** None where the file system or the platform does not tell, as codex on Linux. */
  readonly createdAt: Option.Option<DateTime.Utc>
  /** None where the file system does not tell. */
  readonly modifiedAt: Option.Option<DateTime.Utc>
}

/**
 * An entry of a folder.
 *
 * @see {@link FileInfo}
 * @category models
 * @since 0.1.0
 */
export interface FolderEntry {
  /** The name, without the folder. */
  readonly name: string
  /** What the entry leads to. */
  readonly kind: FileKind
}

/**
 * An event of `watch`.
 *
 * - `Started`: the server watches from now on. `path` is the path as the server resolved it.
 * - `Changed`: these paths were created, changed or removed; the server does not say which. It collects changes for
 *   about 0.2 seconds.
 * - `Restarted`: a lost connection was restored, and the server watches again. Changes in between are unknown: look at
 *   the files.
 *
 * @see {@link layer}
 * @category models
 * @since 0.1.0
 */
export type WatchEvent =
  | { readonly _tag: "Started"; readonly path: string }
  | { readonly _tag: "Changed"; readonly paths: ReadonlyArray<string> }
  | { readonly _tag: "Restarted" }

// =============================================================================
// Search
// =============================================================================

/**
 * A file or folder whose path matches a query.
 *
 * @see {@link FileSearch}
 * @category models
 * @since 0.1.0
 */
export interface FoundFile {
  /** The searched folder that contains it. */
  readonly folder: string
  /** The path below the folder. */
  readonly path: string
  /** The last part of the path. */
  readonly name: string
  readonly isFolder: boolean
  /** How well it matches; higher is better. Comparable within one search only. */
  readonly score: number
  /** Which characters of `path` match, counted in code points (`[...path]`), for highlighting. */
  readonly matches: ReadonlyArray<number>
}

/**
 * What a {@link FileSearch} has found so far for its query.
 *
 * @see {@link FoundFile}
 * @category models
 * @since 0.1.0
 */
export interface FileSearchResults {
  readonly query: string
  /** The best matches first, at most 50. */
  readonly files: ReadonlyArray<FoundFile>
}

/**
 * A search whose query changes as somebody types.
 *
 * @see {@link FileSearchResults}
 * @category models
 * @since 0.1.0
 */
export interface FileSearch {
  /** Searches for another query. Returns at once; the results follow in {@link FileSearch.results}. */
  readonly search: (query: string) => Effect.Effect<void, Exclude<CallError, DecodeError>>
  /**
   * The latest results, again and again while the server searches. Results that nobody read in time are replaced by
   * later ones. The stream ends with the scope of the search, and fails when the connection is lost. One reader.
   */
  readonly results: Stream.Stream<FileSearchResults, ConnectionError>
}

// =============================================================================
// Commands
// =============================================================================

/**
 * The size of a terminal, in characters.
 *
 * @see {@link ExecOptions}
 * @category models
 * @since 0.1.0
 */
export interface TerminalSize {
  readonly rows: number
  readonly columns: number
}

/**
 * Options of every command.
 *
 * @see {@link RunOptions}
 * @see {@link ExecOptions}
 * @category options
 * @since 0.1.0
 */
export interface CommandOptions {
  /**
   * The folder that the command runs in. A relative path is resolved from the app-server's working directory. Default:
   * the app-server's working directory.
   */
  readonly cwd?: string | undefined
  /** Variables to set in the environment that codex gives to commands. `undefined` removes a variable. */
  readonly env?: { readonly [name: string]: string | Redacted.Redacted<string> | undefined } | undefined
  /** What the command may access. Default: what the server's configuration says, often `Sandbox.readOnly`. */
  readonly sandbox?: Sandbox | undefined
  /** The name of a permissions profile instead of a sandbox. Cannot be combined with `sandbox` (`InvalidArgument`). */
  readonly permissions?: string | undefined
  /**
   * How long the command may run. The server then kills it, and its exit code is 124, as with the program `timeout`.
   * Default: no limit.
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * How many bytes of each of stdout and stderr are kept. The server drops the rest, while the command goes on.
   * `"unlimited"` keeps everything. Default: 1 MiB.
   */
  readonly maxOutputBytes?: number | "unlimited" | undefined
}

/**
 * Options of `run`.
 *
 * @see {@link CommandResult}
 * @category options
 * @since 0.1.0
 */
export interface RunOptions extends CommandOptions {
  /** What the command reads from its stdin. Default: nothing; stdin is then `/dev/null`. */
  readonly stdin?: string | Uint8Array | undefined
}

/**
 * Options of `exec`.
 *
 * @see {@link Process}
 * @category options
 * @since 0.1.0
 */
export interface ExecOptions extends CommandOptions {
  /**
   * Whether the command gets a stdin to write to. Some programs behave differently with one: `rg` searches its stdin
   * instead of the folder. Default: true. A terminal always has one.
   */
  readonly stdin?: boolean | undefined
  /**
   * Runs the command in a terminal: of this size, or with `true` of 24 rows and 80 columns. What the command writes to
   * stderr then comes in `stdout`. Default: false.
   */
  readonly terminal?: boolean | TerminalSize | undefined
  /**
   * How many bytes of stdout, and of stderr, may wait in this program for their reader. The protocol cannot slow the
   * command down. More unread bytes are dropped, and the stream fails with `CommandError` (`unread`). It matters only
   * if `maxOutputBytes` is larger. Default: 64 MiB.
   */
  readonly maxUnreadBytes?: number | undefined
}

/**
 * How a command ended, and what it wrote.
 *
 * @see {@link RunOptions}
 * @category models
 * @since 0.1.0
 */
export interface CommandResult {
  /** 0 for success. 124 after the `timeout`, 128 plus the number of the signal that ended the command otherwise. */
  readonly exitCode: number
  /** Decoded as UTF-8; other bytes become U+FFFD. */
  readonly stdout: string
  /** Decoded as UTF-8; other bytes become U+FFFD. */
  readonly stderr: string
  /** Whether stdout or stderr reached `maxOutputBytes`, so that some of it may be missing. */
  readonly isLimitReached: boolean
}

/**
 * How a {@link Process} ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommandExit {
  /** 0 for success. 124 after the `timeout`, 128 plus the number of the signal that ended the command otherwise. */
  readonly exitCode: number
  /** Whether stdout reached `maxOutputBytes`, so that some of it may be missing. */
  readonly isStdoutLimitReached: boolean
  /** Whether stderr reached `maxOutputBytes`, so that some of it may be missing. */
  readonly isStderrLimitReached: boolean
}

/**
 * A running command. It ends with the scope of `exec`.
 *
 * @see {@link ExecOptions}
 * @category models
 * @since 0.1.0
 */
export interface Process {
  /**
   * Writes to stdin. Waits while the server has no room for it: it keeps 128 writes for a command that does not read.
   *
   * While these are full, codex can neither end the command nor resize its terminal until the command reads or ends by
   * itself. So write to a command that reads. What is written to a command that has closed its stdin is lost.
   *
   * Fails with `CommandError`: `stdinClosed`, or `ended`.
   */
  readonly write: (data: string | Uint8Array) => Effect.Effect<void, Exclude<CommandCallError, DecodeError>>
  /** Closes stdin after what was written. Does nothing if it is closed, or the command has ended. */
  readonly closeStdin: Effect.Effect<void, Exclude<CommandCallError, DecodeError>>
  /** {@link write} as a sink, which closes stdin at the end of the stream that is run into it. */
  readonly stdin: Sink.Sink<void, string | Uint8Array, never, Exclude<CommandCallError, DecodeError>>
  /**
   * What the command writes to stdout, from the beginning. Ends with the command, and fails when `exit` fails. Each
   * byte is delivered once: use one reader.
   */
  readonly stdout: Stream.Stream<Uint8Array, CommandCallError>
  /** What the command writes to stderr, as {@link stdout}. Empty with a terminal. */
  readonly stderr: Stream.Stream<Uint8Array, CommandCallError>
  /**
   * Waits until the command has ended and its output has arrived. Any exit code is a success. Fails with the cause when
   * the connection is lost; the command then ends with the server's process.
   *
   * A process in the background that keeps stdout open delays it by at most 2 seconds; its later output is lost.
   */
  readonly exit: Effect.Effect<CommandExit, CommandCallError>
  /** Kills the command and its process group. Does nothing if it has ended. Wait for `exit` to see it end. */
  readonly kill: Effect.Effect<void, Exclude<CallError, DecodeError>>
  /** Changes the size of the terminal. Fails with `CommandError`: `noTerminal`, or `ended`. */
  readonly resize: (size: TerminalSize) => Effect.Effect<void, Exclude<CommandCallError, DecodeError>>
}

// =============================================================================
// Service
// =============================================================================

/**
 * Files and commands on the machine of the app-server.
 *
 * **Details**
 *
 * All paths of files are absolute paths of that machine; a relative path fails with `InvalidArgument`. What its
 * operating system refuses is a `FileError` or a `CommandError`, whose `reason` comes from the number of the system's
 * error. Other refusals are an `RpcError`.
 *
 * A test may replace the service: `Layer.mock(Workspace.Workspace)({ readText: () => Effect.succeed("...") })`.
 *
 * **Example** (Running the tests, and reading their report)
 *
 * ```ts
 * import { Sandbox, Workspace } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const check = Effect.fn("check")(function*(folder: string) {
 *   const workspace = yield* Workspace.Workspace
 *   const { exitCode } = yield* workspace.run(["npm", "test"], { cwd: folder, sandbox: Sandbox.workspaceWrite })
 *   return exitCode === 0 ? "passed" : yield* workspace.readText(`${folder}/report.txt`)
 * })
 * ```
 *
 * @see {@link layer}
 * @category services
 * @since 0.1.0
 */
export class Workspace extends Context.Service<Workspace, {
  /** Reads a file of up to 512 MiB. A connection by WebSocket carries less. */
  readonly readFile: (path: string) => Effect.Effect<Uint8Array, FileCallError>
  /** Reads a file as UTF-8. Fails with `FileError` (`notText`) for other bytes. Keeps a byte order mark. */
  readonly readText: (path: string) => Effect.Effect<string, FileCallError>
  /** Writes a file, and replaces what it contained. A string is written as UTF-8. Its folder must exist. */
  readonly writeFile: (
    path: string,
    content: string | Uint8Array
  ) => Effect.Effect<void, Exclude<FileCallError, DecodeError>>
  /** Looks at a path. Fails with `FileError` (`notFound`) also for a symbolic link that leads nowhere. */
  readonly stat: (path: string) => Effect.Effect<FileInfo, FileCallError>
  /** Lists the entries of a folder, in no particular order. A symbolic link that leads nowhere is left out. */
  readonly list: (path: string) => Effect.Effect<ReadonlyArray<FolderEntry>, FileCallError>
  /**
   * Creates a folder. With `recursive` it also creates the folders above, and an existing folder is no error. Default:
   * true.
   */
  readonly createFolder: (
    path: string,
    options?: { readonly recursive?: boolean | undefined }
  ) => Effect.Effect<void, Exclude<FileCallError, DecodeError>>
  /**
   * Removes a file, a symbolic link or an empty folder; with `recursive` also a folder with all that is in it. With
   * `force` a missing path is no error. Default of both: false.
   */
  readonly remove: (
    path: string,
    options?: { readonly recursive?: boolean | undefined; readonly force?: boolean | undefined }
  ) => Effect.Effect<void, Exclude<FileCallError, DecodeError>>
  /**
   * Copies a file, and replaces an existing one. With `recursive` it copies a folder, into an existing one if there is
   * one. Default: false.
   */
  readonly copy: (
    from: string,
    to: string,
    options?: { readonly recursive?: boolean | undefined }
  ) => Effect.Effect<void, Exclude<FileCallError, DecodeError>>
  /**
   * Watches a file, or a folder and its direct entries but nothing deeper, until the stream is left. The path need not
   * exist yet. A restored connection watches again, and says so.
   *
   * **Example** (Reading a file whenever it changes)
   *
   * ```ts
   * import { Workspace } from "@effect-codex/client"
   * import { Effect, Stream } from "effect"
   *
   * export const versions = (path: string) =>
   *   Stream.unwrap(Effect.map(Workspace.Workspace, (workspace) =>
   *     Stream.mapEffect(workspace.watch(path), () => workspace.readText(path))
   *   ))
   * ```
   */
  readonly watch: (path: string) => Stream.Stream<WatchEvent, FileCallError>
  /**
   * Searches files and folders whose path contains the characters of the query in this order. Returns at most 50, the
   * best first. Leaves out what git ignores, in a repository. An empty query and a missing folder match nothing.
   */
  readonly searchFiles: (
    query: string,
    folders: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<FoundFile>, CallError>
  /**
   * Starts a search for a query that changes, such as one that somebody types. The server reads the folders once: it
   * does not find files that are created later. Needs the experimental API (`ExperimentalRequired`).
   */
  readonly searchFilesLive: (
    folders: ReadonlyArray<string>
  ) => Effect.Effect<FileSearch, Exclude<CallError, DecodeError>, Scope.Scope>
  /**
   * Starts a command. It is ended when the scope closes, or the fiber is interrupted: the server kills the command and
   * its process group, and in a sandbox everything that it started. The scope waits up to 2 seconds for that.
   *
   * The command is a program and its arguments, not a line of a shell; for that, run `["sh", "-c", line]`. Fails with
   * `CommandError` if the program cannot be started.
   *
   * **Example** (A server that runs while the program needs it)
   *
   * ```ts
   * import { Sandbox, Workspace } from "@effect-codex/client"
   * import { Effect, Stream } from "effect"
   *
   * export const devServer = Effect.gen(function*() {
   *   const workspace = yield* Workspace.Workspace
   *   const server = yield* workspace.exec(["npm", "run", "dev"], { sandbox: Sandbox.fullAccess })
   *   yield* server.stdout.pipe(
   *     Stream.decodeText(),
   *     Stream.splitLines,
   *     Stream.takeUntil((line) => line.includes("ready")),
   *     Stream.runDrain
   *   )
   *   return server
   * })
   * ```
   */
  readonly exec: (
    command: ReadonlyArray<string>,
    options?: ExecOptions
  ) => Effect.Effect<Process, CommandCallError, Scope.Scope>
  /**
   * Runs a command to its end. A code other than 0 is no failure. Interruption ends the command, as with {@link exec}.
   */
  readonly run: (
    command: ReadonlyArray<string>,
    options?: RunOptions
  ) => Effect.Effect<CommandResult, CommandCallError>
  /**
   * The difference between the nearest commit that a remote has and the folder's files, untracked ones included. Fails
   * with `RpcError` if the folder is not in a git repository, or no remote has a commit of it.
   */
  readonly diffToRemote: (folder: string) => Effect.Effect<
    {
      /** The commit that the remote has. */
      readonly sha: string
      /** A diff in git's format. */
      readonly diff: string
    },
    CallError
  >
}>()("@effect-codex/client/Workspace") {}

/**
 * Creates the service on a connection.
 *
 * @see {@link layer}
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Workspace["Service"], never, AppServerRpc> = Effect.flatMap(
  workspace,
  ({ make }) => make
)

/**
 * {@link make} as a layer.
 *
 * **Example** (Beside the client, on the same connection)
 *
 * ```ts
 * import { Workspace } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Layer } from "effect"
 *
 * export const WorkspaceLive = Workspace.layer.pipe(Layer.provideMerge(CodexNode.layer()))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Workspace, never, AppServerRpc> = Layer.effect(Workspace, make)
