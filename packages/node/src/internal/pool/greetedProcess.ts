/**
 * A process that has shaken hands before anybody needs it: whoever takes it asks for the handshake as of any other
 * process, and has the answer at once.
 */
import type { AppServer } from "@effect-codex/client/AppServer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"

type Server = AppServer["Service"]

/** No request of the client has it: those are numbers. */
const ownId = "spare"

const within = "30 seconds"

const parse = (line: string): { readonly [key: string]: unknown } => {
  try {
    const value: unknown = JSON.parse(line)
    return Predicate.isReadonlyObject(value) ? value as { readonly [key: string]: unknown } : {}
  } catch {
    return {}
  }
}

/** Passes on what the process says, but for the answer to our own request, and not before that of the taker. */
class Mouth {
  readonly answer = Deferred.makeUnsafe<{ readonly [key: string]: unknown }>()
  private target: ((chunk: Uint8Array, more?: boolean) => void) | undefined
  private held: Array<Uint8Array> = []
  private text = ""
  private isAnswered = false
  private isIntroduced = false
  private readonly decoder = new TextDecoder()
  private readonly encoder = new TextEncoder()

  readonly onChunk = (chunk: Uint8Array, more?: boolean): void => {
    if (this.isAnswered) return this.pass(chunk, more)
    this.text += this.decoder.decode(chunk, { stream: true })
    const lines = this.text.split("\n")
    const at = lines.slice(0, -1).findIndex((line) => parse(line)["id"] === ownId)
    if (at === -1) return
    this.isAnswered = true
    const [answer] = lines.splice(at, 1)
    this.pass(this.encoder.encode(lines.join("\n")), more)
    Deferred.doneUnsafe(this.answer, Effect.succeed(parse(answer!)))
  }

  private pass(chunk: Uint8Array, more?: boolean): void {
    if (this.isIntroduced && this.target !== undefined) this.target(chunk, more)
    else if (chunk.length > 0) this.held.push(chunk)
  }

  /** What comes first of all that the taker reads. Empty if the taker has to ask the process itself. */
  introduce(frame: string): void {
    this.held.unshift(this.encoder.encode(frame))
    this.isIntroduced = true
    this.flush()
  }

  listen(target: (chunk: Uint8Array, more?: boolean) => void): void {
    this.target = target
    this.flush()
  }

  private flush(): void {
    const { held, isIntroduced, target } = this
    if (!isIntroduced || target === undefined) return
    this.held = []
    for (const chunk of held) target(chunk)
  }
}

/**
 * Shakes hands with the process. Fails if it does not answer, or refuses.
 *
 * @param params those of the handshake that the taker will ask for
 */
export const greet = Effect.fnUntraced(function*(
  server: Server,
  params: object
): Effect.fn.Return<Server, { readonly message: string }, Scope.Scope> {
  const mouth = new Mouth()
  const reading = yield* Effect.forkScoped(server.receive(mouth.onChunk), { startImmediately: true })
  yield* server.send(`${JSON.stringify({ id: ownId, method: "initialize", params })}\n`)
  const { result } = yield* Effect.timeoutOrElse(
    Effect.raceFirst(Deferred.await(mouth.answer), Fiber.join(reading)),
    { duration: within, orElse: () => Effect.fail({ message: `it did not answer within ${within}` }) }
  )
  if (result === undefined) return yield* Effect.fail({ message: "it refused the handshake" })

  let isTaken = false
  return {
    executable: server.executable,
    pid: server.pid,
    stderr: server.stderr,
    watchStderr: server.watchStderr,
    exit: server.exit,
    receive: (onChunk) =>
      Effect.suspend(() => {
        mouth.listen(onChunk)
        return Fiber.join(reading)
      }),
    send: (text) =>
      Effect.suspend(() => {
        if (isTaken) return server.send(text)
        isTaken = true
        const asked = parse(text)
        const isSame = asked["method"] === "initialize" && JSON.stringify(asked["params"]) === JSON.stringify(params)
        mouth.introduce(isSame ? `${JSON.stringify({ id: asked["id"], result })}\n` : "")
        return isSame ? Effect.void : server.send(text)
      })
  }
})
