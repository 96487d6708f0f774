/** The git repository of a folder's checkpoints: where it is, which folder is its root, and what it excludes. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { CheckpointError, type Options } from "../../Checkpoints.ts"
import * as Git from "./git.ts"
import * as Names from "./names.ts"
import * as Pipes from "./pipes.ts"
import { ignoredOf } from "./trees.ts"

export interface Repository {
  readonly git: Git.Git
  readonly fs: FileSystem.FileSystem
  readonly gitDir: string
  /** The folder of the user's repository if the folder is in one, else the folder. Names in trees start here. */
  readonly root: string
  /** The folder's name from the root, with a `/` at its end; empty if it is the root. */
  readonly prefix: Names.Name
  readonly rules: Rules
  /** The index of the user's repository, which is only read. Undefined if there is none. */
  readonly userIndex: string | undefined
  /** The path of a file of the root in the file system, or undefined if its name is no text. */
  readonly pathOf: (name: Names.Name) => string | undefined
  /** The name of a relative path in the file system. */
  readonly nameOf: (path: string) => Names.Name
  /** The name as users see it: from the folder. */
  readonly shown: (name: Names.Name) => string
}

export interface Rules {
  readonly ignored: "skip" | "include"
  readonly maxFileBytes: number
}

const defaultMaximum = 50 * 1024 * 1024

const wrongFolder = (detail: string) => new CheckpointError({ reason: "folder", detail, paths: [] })

const unusable = (folder: string) => (error: PlatformError) =>
  wrongFolder(`The folder ${folder} cannot be used: ${error.message}.`)

export const open = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<
  Repository,
  CheckpointError,
  FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner
> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { exclude = [], git: executable = "git", ignored = "skip", maxFileBytes = defaultMaximum } = options

  const folder = yield* Effect.mapError(fs.realPath(path.resolve(options.folder)), unusable(options.folder))
  const { type } = yield* Effect.mapError(fs.stat(folder), unusable(folder))
  if (type !== "Directory") return yield* wrongFolder(`${folder} is no folder.`)

  const given = path.resolve(options.directory)
  const directory = yield* fs.makeDirectory(given, { recursive: true, mode: 0o700 }).pipe(
    Effect.andThen(fs.realPath(given)),
    Effect.mapError(unusable(given))
  )
  const fromFolder = path.relative(folder, directory)
  if (
    fromFolder === "" || !(fromFolder === ".." || fromFolder.startsWith(`..${path.sep}`) || path.isAbsolute(fromFolder))
  ) {
    return yield* wrongFolder(`The directory of the checkpoints, ${directory}, is inside of the folder ${folder}.`)
  }

  // What is tracked stays tracked, so each set of rules has an index, and thus a repository, of its own.
  const outside = yield* Git.make({ executable, gitDir: directory, root: folder })
  const key = yield* outside(["hash-object", "--stdin"], {
    stdin: Names.fromText(JSON.stringify([folder, ignored, exclude])),
    env: { GIT_DIR: path.join(directory, "none") }
  })
  const gitDir = path.join(directory, key.trim())
  const rootFile = path.join(gitDir, "root")
  if (!(yield* Effect.orElseSucceed(fs.exists(rootFile), () => false))) {
    yield* outside(["init", "--quiet", "--bare", "--template=", "--object-format=sha1", gitDir], {
      env: { GIT_DIR: gitDir, GIT_WORK_TREE: undefined }
    })
    const found = yield* findRoot(fs, path, folder)
    const git = Pipes.guard(yield* Git.make({ executable, gitDir, root: found }), { fs, path, root: found, folder })
    // In an ignored folder nothing would be seen from above.
    const ignoredFolders = found === folder ? [] : yield* ignoredOf(git, [relative(path, found, folder)])
    const root = ignoredFolders.length === 0 ? found : folder
    yield* Effect.mapError(fs.writeFileString(rootFile, root), unusable(gitDir))
  }
  const root = yield* Effect.mapError(fs.readFileString(rootFile), unusable(gitDir))

  // Copied, because git takes only one such file: the user's and the option's.
  const user = yield* userFiles(fs, path, root)
  yield* fs.makeDirectory(path.join(gitDir, "info"), { recursive: true }).pipe(
    Effect.andThen(fs.writeFileString(
      path.join(gitDir, "info", "exclude"),
      [...(ignored === "skip" ? [user.exclude] : []), ...exclude, ""].join("\n")
    )),
    Effect.andThen(fs.writeFileString(path.join(gitDir, "info", "attributes"), attributes)),
    Effect.mapError(unusable(gitDir))
  )

  const name = relative(path, root, folder)
  const prefix = name === "" ? "" : `${name}/`
  return {
    git: Pipes.guard(yield* Git.make({ executable, gitDir, root }), { fs, path, root, folder }),
    fs,
    gitDir,
    root,
    prefix,
    rules: { ignored, maxFileBytes },
    userIndex: user.index,
    pathOf: (name) => {
      const text = Names.toPath(name)
      return text === undefined ? undefined : path.join(root, text)
    },
    nameOf: (given) => nameOf(path, given),
    shown: (name) => Names.toText(name.slice(prefix.length))
  }
})

/**
 * Takes precedence over every `.gitattributes`: contents are kept byte for byte, and no filter runs. `!` where git
 * refuses a false value, or to let the contents decide what is binary.
 */
const attributes = "* -text !eol -ident !filter !working-tree-encoding !diff !merge\n"

/** The nearest folder with a repository. `.git` is a file in a linked worktree and in a submodule. */
const findRoot = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, path: Path.Path, folder: string) {
  const is = (type: FileSystem.File.Type, ...names: ReadonlyArray<string>) =>
    Effect.match(fs.stat(path.join(...names)), { onFailure: () => false, onSuccess: (info) => info.type === type })
  for (let at = folder;; at = path.dirname(at)) {
    if ((yield* is("File", at, ".git")) || (yield* is("File", at, ".git", "HEAD"))) return at
    if (path.dirname(at) === at) return folder
  }
})

/**
 * What is read of the user's repository. A linked worktree has files that lead to its own folder and the shared one.
 */
const userFiles = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, path: Path.Path, root: string) {
  // To read a pipe would take for ever.
  const isFile = (file: string) =>
    Effect.match(fs.stat(file), { onFailure: () => false, onSuccess: ({ type }) => type === "File" })
  const read = (...names: ReadonlyArray<string>) => {
    const file = path.join(...names)
    return Effect.flatMap(isFile(file), (isFile) => isFile ? fs.readFileString(file) : Effect.succeed("")).pipe(
      Effect.orElseSucceed(() => "")
    )
  }
  const at = path.join(root, ".git")
  const own = path.resolve(root, /^gitdir: (.*)/.exec(yield* read(at))?.[1] ?? at)
  const shared = path.resolve(own, (yield* read(own, "commondir")).trim())
  const index = path.join(own, "index")
  return {
    exclude: yield* read(shared, "info", "exclude"),
    index: (yield* isFile(index)) ? index : undefined
  }
})

const nameOf = (path: Path.Path, given: string): Names.Name => Names.fromText(given.split(path.sep).join("/"))

const relative = (path: Path.Path, from: string, to: string): Names.Name => nameOf(path, path.relative(from, to))
