/** A spare process that has shaken hands already, with a process that says what the test says. */
import { CodexError } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { greet } from "../src/internal/pool/greetedProcess.ts"

const params = {
  clientInfo: { name: "mine", title: null, version: "1" },
  capabilities: { experimentalApi: true, requestAttestation: false }
}

const initialize = (given: object, id = 7) => `${JSON.stringify({ id, method: "initialize", params: given })}\n`

const bytes = (text: string) => new TextEncoder().encode(text)

const make = Effect.gen(function*() {
  const heard: Array<string> = []
  const end = yield* Deferred.make<never, CodexError.TransportError>()
  let say: (chunk: Uint8Array, more?: boolean) => void = () => assert.fail("nobody listens")
  const server = {
    executable: "codex",
    pid: 1,
    stderr: Effect.succeed([]),
    exit: Effect.never,
    send: (text: string) => Effect.sync(() => void heard.push(text)),
    receive: (onChunk: typeof say) => {
      say = onChunk
      return Deferred.await(end)
    }
  }
  return { end, heard, say: (text: string) => say(bytes(text)), server }
})

/** Takes the process as a client does, and gives what it reads. */
const take = Effect.fnUntraced(function*(server: Effect.Success<ReturnType<typeof greet>>) {
  const read: Array<string> = []
  const ended = yield* Effect.forkChild(
    Effect.flip(server.receive((chunk) => void read.push(new TextDecoder().decode(chunk)))),
    { startImmediately: true }
  )
  return { read: () => read.join(""), ended }
})

const greeted = Effect.gen(function*() {
  const process = yield* make
  const greeting = yield* Effect.forkChild(greet(process.server, params), { startImmediately: true })
  assert.deepStrictEqual(process.heard.splice(0).map((text) => JSON.parse(text)), [
    { id: "spare", method: "initialize", params }
  ])
  // In pieces, and with other lines around it.
  process.say(`{"method":"before"}\n{"id":"spa`)
  process.say(`re","result":{"userAgent":"ä"}}\n{"method":"aft`)
  const server = yield* Fiber.join(greeting)
  process.say(`er"}\n`)
  return { ...process, taken: server }
})

describe("a process that has shaken hands", () => {
  it.effect("answers the handshake of its taker at once, and then says what it has said meanwhile", () =>
    Effect.gen(function*() {
      const { end, heard, say, taken } = yield* greeted
      const { ended, read } = yield* take(taken)
      assert.strictEqual(read(), "")
      yield* taken.send(initialize(params))
      assert.deepStrictEqual(heard, [])
      assert.deepStrictEqual(read().trimEnd().split("\n"), [
        `{"id":7,"result":{"userAgent":"ä"}}`,
        `{"method":"before"}`,
        `{"method":"after"}`
      ])
      yield* taken.send("more\n")
      assert.deepStrictEqual(heard, ["more\n"])
      say("later\n")
      assert.match(read(), /later\n$/)
      yield* Deferred.fail(end, new CodexError.TransportError({ reason: "read", detail: "over." }))
      assert.include((yield* Fiber.join(ended)).message, "over.")
    }).pipe(Effect.scoped))

  it.effect("answers also a taker that asks before it listens", () =>
    Effect.gen(function*() {
      const { taken } = yield* greeted
      yield* taken.send(initialize(params))
      const { read } = yield* take(taken)
      assert.match(read(), /^\{"id":7,/)
    }).pipe(Effect.scoped))

  it.effect("passes another handshake on", () =>
    Effect.gen(function*() {
      const { heard, taken } = yield* greeted
      const other = initialize({ ...params, clientInfo: { name: "other", version: "2" } })
      yield* taken.send(other)
      assert.deepStrictEqual(heard, [other])
    }).pipe(Effect.scoped))

  it.effect("is none if it refuses", () =>
    Effect.gen(function*() {
      const { say, server } = yield* make
      const greeting = yield* Effect.forkChild(Effect.flip(greet(server, params)), { startImmediately: true })
      say(`{"id":"spare","error":{"code":1,"message":"no"}}\n`)
      assert.include((yield* Fiber.join(greeting)).message, "refused")
    }).pipe(Effect.scoped))

  it.effect("is none if it ends instead", () =>
    Effect.gen(function*() {
      const { end, server } = yield* make
      const greeting = yield* Effect.forkChild(Effect.flip(greet(server, params)), { startImmediately: true })
      yield* Deferred.fail(end, new CodexError.TransportError({ reason: "read", detail: "it is gone." }))
      assert.include((yield* Fiber.join(greeting)).message, "it is gone.")
    }).pipe(Effect.scoped))
})
