import { ServerInfo } from "@effect-codex/client"
import { CodexExecutable } from "@effect-codex/node"
import { CodexHome } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { type WebSocket, WebSocketServer } from "@effect/platform-node/NodeWS"
import { Effect } from "effect"
import * as ChildProcess from "node:child_process"
import { once } from "node:events"
import { existsSync, realpathSync, rmSync } from "node:fs"
import * as Http from "node:http"
import * as Net from "node:net"
import { join } from "node:path"

/** Starts a codex app-server in the test's home, independent of the client. It ends when the scope closes. */
const spawn = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const home = yield* CodexHome.CodexHome
  const { executable } = yield* CodexExecutable.find().pipe(Effect.provide(NodeServices.layer))
  const env: NodeJS.ProcessEnv = { ...process.env }
  for (const [name, value] of Object.entries(home.env)) {
    if (value === undefined) delete env[name]
    else env[name] = value
  }
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(executable, ["app-server", ...args], {
        env,
        cwd: home.workspace,
        stdio: ["ignore", "ignore", "pipe"]
      })
    ),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const exited = once(child, "exit")
        child.kill("SIGKILL")
        await exited
      })
  )
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text)
  const failed = Effect.callback<never, Error>((resume) => {
    const fail = () => resume(Effect.fail(new Error(`codex ended: ${stderr}`)))
    if (child.exitCode !== null) fail()
    else child.once("exit", fail)
  })
  return { child, pid: child.pid ?? 0, failed, stderr: () => stderr }
})

const polled = <A>(look: Effect.Effect<A | undefined>) =>
  look.pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ until: (found) => found !== undefined }),
    Effect.timeout("30 seconds")
  )

/** Starts a codex app-server on a free port of loopback. */
export const onTcp = Effect.fnUntraced(function*(args: ReadonlyArray<string> = []) {
  const server = yield* spawn(["--listen", "ws://127.0.0.1:0", ...args])
  const url = yield* Effect.raceFirst(
    polled(Effect.sync(() => /listening on: (\S+)/.exec(server.stderr())?.[1])),
    server.failed
  )
  return { ...server, url: url ?? "" }
})

const accepts = (path: string): Effect.Effect<true | undefined> =>
  Effect.callback((resume) => {
    if (!existsSync(path)) return resume(Effect.undefined)
    const socket = Net.connect(realpathSync(path))
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.undefined))
  })

const leftovers: Array<string> = []

/** Removes the files that the servers of {@link onUnix} left outside of their home. */
export const removeLeftovers = (): void => {
  for (const file of leftovers.splice(0)) rmSync(file, { force: true })
}

/** Starts a codex app-server on a unix socket. The default path is where `unix://` puts it in the home. */
export const onUnix = Effect.fnUntraced(function*(path?: string) {
  const home = yield* CodexHome.CodexHome
  const server = yield* spawn(["--listen", `unix://${path ?? ""}`])
  const file = path ?? join(home.path, "app-server-control", "app-server-control.sock")
  yield* Effect.raceFirst(polled(accepts(file)), server.failed)
  // The path is a link to the socket. A killed server leaves both behind.
  const real = realpathSync(file)
  yield* Effect.addFinalizer(() => Effect.sync(() => leftovers.push(real, `${real}.lock`)))
  return { ...server, path: file }
})

/**
 * Starts a WebSocket server on loopback that answers `initialize`, and then misbehaves as `then` says. `codes` are the
 * close codes that it received.
 */
export const badServer = Effect.fnUntraced(function*(then: (ws: WebSocket) => void) {
  const server = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
      await once(server, "listening")
      return server
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        for (const ws of server.clients) ws.terminate()
        server.close(() => resume(Effect.void))
      })
  )
  const codes: Array<number> = []
  server.on("connection", (ws) => {
    ws.on("close", (code) => codes.push(code))
    ws.once("message", (text) => {
      const { id }: { readonly id: number } = JSON.parse(`${text}`)
      ws.send(JSON.stringify({ id, result: initialized }))
      // The next message is `initialized`.
      ws.once("message", () => then(ws))
    })
  })
  return { url: urlOf(server.address()), codes }
})

/** Starts an HTTP server on loopback that calls this for each upgrade. Returns its URL. */
export const httpServer = Effect.fnUntraced(function*(onUpgrade: (socket: Net.Socket) => void) {
  const server = Http.createServer()
  const sockets = new Set<Net.Socket>()
  server.on("connection", (socket) => sockets.add(socket))
  server.on("upgrade", (_request, socket: Net.Socket) => onUpgrade(socket))
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )
  return urlOf(server.address())
})

const relay = Effect.fnUntraced(function*(to: Net.NetConnectOpts, on: Net.ListenOptions) {
  const sockets: Array<Net.Socket> = []
  const upstreams: Array<Net.Socket> = []
  let waiting: Array<() => void> | undefined
  const connect = (client: Net.Socket): void => {
    const upstream = Net.connect(to)
    sockets.push(upstream)
    upstreams.push(upstream)
    client.on("data", (data) => upstream.write(data)).on("error", () => upstream.destroy())
    upstream.on("data", (data) => client.write(data)).on("error", () => client.destroy())
    client.on("close", () => upstream.destroy())
    upstream.on("close", () => client.destroy())
  }
  const server = Net.createServer((client) => {
    sockets.push(client)
    if (waiting === undefined) connect(client)
    else waiting.push(() => connect(client))
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server.listen(on), "listening")),
    () =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )
  return {
    address: server.address(),
    /** Closes all connections. The next one gets through. */
    cut: () => sockets.splice(0).forEach((socket) => socket.destroy()),
    /** Leaves new connections without an answer until `open`. */
    shut: () => {
      waiting ??= []
    },
    open: () => {
      const late = waiting ?? []
      waiting = undefined
      for (const connect of late) connect()
    },
    hold: () => upstreams.forEach((upstream) => upstream.pause()),
    release: () => upstreams.forEach((upstream) => upstream.resume())
  }
})

/** A proxy to a server on loopback. After `hold` it reads nothing from the server until `release`. */
export const proxy = (url: string) =>
  Effect.map(
    relay({ host: "127.0.0.1", port: Number(new URL(url).port) }, { host: "127.0.0.1", port: 0 }),
    ({ address, ...way }) => ({ ...way, url: urlOf(address) })
  )

/** The {@link proxy} for a server on a unix socket. */
export const unixProxy = (socket: string) => {
  // Use the resolved path: the link may be longer than the system allows for a socket.
  const real = realpathSync(socket)
  const path = `${real}.proxy`
  return Effect.map(relay({ path: real }, { path }), (way) => ({ ...way, path }))
}

const urlOf = (address: string | Net.AddressInfo | null): string =>
  typeof address === "object" && address !== null ? `ws://127.0.0.1:${address.port}` : ""

const initialized = {
  userAgent: `x/${ServerInfo.testedRange.newest}.0 (Debian 12.0.0; x86_64) xterm (x; 1)`,
  codexHome: "/",
  platformFamily: "unix",
  platformOs: "linux"
}
