/** The socket at which the hooks of one codex process ask this program. */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Net from "node:net"
import * as Os from "node:os"
import { join } from "node:path"
import { type EventName, eventNames, type Installed } from "./installedHooks.ts"
import { sameToken } from "./sameToken.ts"

// Whoever connects may be anyone who can open the folder: what is not of a hook is closed without an answer.
const maxConnections = 256
const maxBytes = 32 * 1024 * 1024
const readWithin = "30 seconds"

/** How soon a handler ends whose hook codex has killed. */
const lookEvery = "1 second"

/**
 * Not in the system's temporary folder: the sandbox lets commands write there, and whoever takes the place of the
 * socket decides.
 */
const parentFolder = (): string => {
  const runtime = process.env["XDG_RUNTIME_DIR"]
  return runtime !== undefined && runtime.startsWith("/") ? runtime : Os.homedir()
}

const makeFolder = Effect.acquireRelease(
  Effect.tryPromise(async () => {
    const make = (parent: string) => Fs.mkdtemp(join(parent, ".effect-codex-hooks-"))
    // A variable that names no folder is common in containers.
    return await make(parentFolder()).catch(() => make(Os.homedir()))
  }),
  (folder) => Effect.ignore(Effect.tryPromise(() => Fs.rm(folder, { recursive: true, force: true })))
)

const listen = (server: Net.Server, path: string) =>
  Effect.acquireRelease(
    Effect.callback<void, unknown>((resume) => {
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(path, () => resume(Effect.void))
    }),
    // Without waiting for the connections: their fibers end them.
    () => Effect.sync(() => server.close())
  )

/** Everything that the other side sends until it ends its side. Fails when it is too much, or the connection breaks. */
const received = (socket: Net.Socket) =>
  Effect.callback<Buffer, "broken">((resume) => {
    const chunks: Array<Buffer> = []
    let length = 0
    const broken = (): void => resume(Effect.fail("broken"))
    socket.on("data", (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBytes) broken()
      else chunks.push(chunk)
    })
    socket.on("end", () => resume(Effect.sync(() => Buffer.concat(chunks))))
    socket.on("error", broken)
    socket.on("close", broken)
  })

// A line break before the answer, which changes nothing in it: a write is the only way to see that nobody reads any
// more on a connection whose other side has said everything.
const abandoned = (socket: Net.Socket): Effect.Effect<never, "broken"> =>
  Effect.suspend(() => {
    if (socket.destroyed) return Effect.fail("broken" as const)
    socket.write("\n")
    return Effect.void
  }).pipe(Effect.delay(lookEvery), Effect.forever)

const sent = (socket: Net.Socket, answer: string) =>
  Effect.callback<void>((resume) => {
    const closed = (): void => resume(Effect.void)
    socket.on("close", closed)
    // The hook reads at once.
    if (socket.destroyed) closed()
    else socket.end(answer)
  }).pipe(Effect.timeout(readWithin))

const eventOf = (name: string): EventName | undefined => eventNames.find((event) => event === name)

/** The token, the event and what codex said, which a hook sends in this order. */
const asked = (bytes: Buffer, token: string) => {
  const head = bytes.subarray(0, token.length + 40).toString("latin1").split(" ", 2)
  const [given = "", name = ""] = head
  const event = eventOf(name)
  return event !== undefined && sameToken(token, given)
    ? { event, sent: bytes.subarray(token.length + name.length + 2).toString("utf8") }
    : undefined
}

/** Listens until the scope closes, and gives the folder with the socket and the token. */
export const make = (
  installed: Installed
): Effect.Effect<{ readonly folder: string }, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* makeFolder
    const token = randomBytes(32).toString("hex")
    yield* Effect.tryPromise(() => Fs.writeFile(join(folder, "token"), `${token}\n`, { mode: 0o600 }))

    const handle = (socket: Net.Socket) =>
      received(socket).pipe(
        Effect.timeout(readWithin),
        Effect.flatMap((bytes) => {
          const call = asked(bytes, token)
          return call === undefined ? Effect.void : installed.answer(call.event, call.sent).pipe(
            Effect.raceFirst(abandoned(socket)),
            Effect.flatMap((answer) => sent(socket, answer))
          )
        }),
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => socket.destroy()))
      )

    // The server closes first, so that no fiber begins when they are interrupted.
    const fork = yield* FiberSet.makeRuntime<never>()
    const server = Net.createServer({ allowHalfOpen: true }, (socket) => {
      // Without a listener, an error between two steps would end the program.
      socket.on("error", () => {})
      fork(handle(socket))
    })
    server.maxConnections = maxConnections
    yield* listen(server, join(folder, "socket"))
    return { folder }
  })
