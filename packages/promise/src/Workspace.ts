/**
 * Files and commands on the machine of the app-server, which may be another machine than the program's.
 *
 * @since 0.1.0
 */
import type * as Client from "@effect-codex/client/Workspace"
import type { CallOptions, Time } from "./Options.ts"
import type { Readable } from "./Readable.ts"

/**
 * What the server says about a path.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileInfo extends Omit<Client.FileInfo, "createdAt" | "modifiedAt"> {
  /** Undefined where the file system or the platform does not tell. */
  readonly createdAt: Date | undefined
  /** Undefined where the file system does not tell. */
  readonly modifiedAt: Date | undefined
}

/**
 * Options of every command.
 *
 * @see {@link RunCommandOptions}
 * @see {@link ExecOptions}
 * @category options
 * @since 0.1.0
 */
export interface CommandOptions extends Omit<Client.CommandOptions, "env" | "timeout">, CallOptions {
  /** Variables to set in the environment that codex gives to commands. `undefined` removes a variable. */
  readonly env?: { readonly [name: string]: string | undefined } | undefined
  /** How long the command may run. The server then kills it, and its exit code is 124. Default: no limit. */
  readonly timeout?: Time | undefined
}

/**
 * Options of `run`. Aborting the signal kills the command.
 *
 * @category options
 * @since 0.1.0
 */
export interface RunCommandOptions extends CommandOptions, Pick<Client.RunOptions, "stdin"> {}

/**
 * Options of `exec`. Aborting the signal kills the command, also later.
 *
 * @category options
 * @since 0.1.0
 */
export interface ExecOptions extends CommandOptions, Omit<Client.ExecOptions, keyof Client.CommandOptions> {}

/**
 * A running command. Closing it kills the command, as does closing the `Codex`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Process extends AsyncDisposable {
  /**
   * Writes to stdin. Waits while the server has no room for it: it keeps 128 writes for a command that does not read,
   * and cannot kill the command while these are full.
   */
  readonly write: (data: string | Uint8Array, options?: CallOptions) => Promise<void>
  /** Closes stdin after what was written. Does nothing if it is closed, or the command has ended. */
  readonly closeStdin: (options?: CallOptions) => Promise<void>
  /** What the command writes to stdout. Unlike other iterables it delivers each byte once. */
  readonly stdout: Readable<Uint8Array>
  /** What the command writes to stderr. Unlike other iterables it delivers each byte once. */
  readonly stderr: Readable<Uint8Array>
  /** Resolves when the command has ended. Any exit code is a success. The signal ends the waiting only. */
  readonly exit: (options?: CallOptions) => Promise<Client.CommandExit>
  /** Kills the command and its process group. Does nothing if it has ended. */
  readonly kill: (options?: CallOptions) => Promise<void>
  /** Changes the size of the terminal. */
  readonly resize: (size: Client.TerminalSize, options?: CallOptions) => Promise<void>
  /** Kills the command if it runs, and waits up to 2 seconds for its end. */
  readonly close: () => Promise<void>
}

/**
 * A search whose query changes as somebody types. Closing it ends the search on the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileSearch extends AsyncDisposable {
  /** Searches for another query. The results follow in `results`. */
  readonly search: (query: string, options?: CallOptions) => Promise<void>
  /** The latest results, again and again while the server searches. One reader. */
  readonly results: Readable<Client.FileSearchResults>
  /** Ends the search. */
  readonly close: () => Promise<void>
}

/**
 * Files and commands on the machine of the app-server. All paths of files are absolute paths of that machine
 * (`InvalidArgument`). What its operating system refuses rejects with `FileError` or `CommandError`.
 *
 * **Example** (Running the tests)
 *
 * ```ts
 * import { type Codex, Sandbox } from "@effect-codex/promise"
 *
 * export const passes = async (codex: Codex, folder: string) => {
 *   const { exitCode } = await codex.workspace.run(["npm", "test"], {
 *     cwd: folder,
 *     sandbox: Sandbox.workspaceWrite,
 *     signal: AbortSignal.timeout(600_000)
 *   })
 *   return exitCode === 0
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Workspace {
  /** Reads a file of up to 512 MiB. */
  readonly readFile: (path: string, options?: CallOptions) => Promise<Uint8Array>
  /** Reads a file as UTF-8. Rejects with `FileError` (`notText`) for other bytes. */
  readonly readText: (path: string, options?: CallOptions) => Promise<string>
  /** Writes a file, and replaces what it contained. Its folder must exist. */
  readonly writeFile: (path: string, content: string | Uint8Array, options?: CallOptions) => Promise<void>
  /** Looks at a path, following symbolic links. */
  readonly stat: (path: string, options?: CallOptions) => Promise<FileInfo>
  /** Lists the entries of a folder, in no particular order. */
  readonly list: (path: string, options?: CallOptions) => Promise<ReadonlyArray<Client.FolderEntry>>
  /** Creates a folder; with `recursive`, the default, also those above, and an existing one is no error. */
  readonly createFolder: (
    path: string,
    options?: CallOptions & { readonly recursive?: boolean | undefined }
  ) => Promise<void>
  /** Removes a file or an empty folder; with `recursive` any folder. With `force` a missing path is no error. */
  readonly remove: (
    path: string,
    options?: CallOptions & { readonly recursive?: boolean | undefined; readonly force?: boolean | undefined }
  ) => Promise<void>
  /** Copies a file, and replaces an existing one; with `recursive` a folder. */
  readonly copy: (
    from: string,
    to: string,
    options?: CallOptions & { readonly recursive?: boolean | undefined }
  ) => Promise<void>
  /** Watches a file, or a folder and its direct entries, until the loop is left. */
  readonly watch: (path: string) => Readable<Client.WatchEvent>
  /** Searches files and folders by some characters of their path. Returns at most 50, the best first. */
  readonly searchFiles: (
    query: string,
    folders: ReadonlyArray<string>,
    options?: CallOptions
  ) => Promise<ReadonlyArray<Client.FoundFile>>
  /** Starts a search for a query that changes. Aborting the signal ends it. */
  readonly searchFilesLive: (folders: ReadonlyArray<string>, options?: CallOptions) => Promise<FileSearch>
  /** Starts a program with its arguments, and resolves once it runs. */
  readonly exec: (command: ReadonlyArray<string>, options?: ExecOptions) => Promise<Process>
  /** Runs a program with its arguments to its end. A code other than 0 is no rejection. */
  readonly run: (command: ReadonlyArray<string>, options?: RunCommandOptions) => Promise<Client.CommandResult>
  /** The nearest commit that a remote has, and the difference of the folder's files to it, in git's format. */
  readonly diffToRemote: (
    folder: string,
    options?: CallOptions
  ) => Promise<{ readonly sha: string; readonly diff: string }>
}
