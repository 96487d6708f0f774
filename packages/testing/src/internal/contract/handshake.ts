/** Cases about the handshake, and about lines that are not messages. */
import * as Transport from "@effect-codex/client/Transport"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import type { Case } from "./model.ts"
import { equal } from "./story.ts"

type Message = { readonly [key: string]: unknown }

/** Sends raw lines, and waits for the reply to the last one. */
const talking = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const replies = yield* Queue.unbounded<Message>()
  yield* transport.receive((frames) => {
    for (const frame of frames) {
      const message: unknown = JSON.parse(frame)
      if (Predicate.isObject(message) && !("method" in message)) Queue.offerUnsafe(replies, { ...message })
    }
  }).pipe(Effect.ignore, Effect.forkScoped({ startImmediately: true }))
  let id = 0
  const request = (method: string, params?: unknown) =>
    Effect.gen(function*() {
      yield* transport.send(JSON.stringify({ id: ++id, method, params }))
      const { error, id: answered, result } = yield* Queue.take(replies)
      yield* equal(`the id of the reply to ${method}`, answered, id)
      return error === undefined ? result : error
    })
  const initialize = request("initialize", {
    clientInfo: { name: "contract", version: "1.2.3" },
    capabilities: { experimentalApi: true }
  })
  return { initialize, replies: Queue.take(replies), request, send: transport.send }
})

const refused = (message: string) => ({ code: -32600, message })

const begins = (what: string, reply: unknown, text: string) =>
  equal(
    what,
    Predicate.hasProperty(reply, "message") && typeof reply.message === "string"
      ? reply.message.slice(0, text.length)
      : reply,
    text
  )

export const cases: ReadonlyArray<Case<Transport.Transport>> = [
  {
    name: "handshake: nothing before it, nothing twice, and the name of the client in the user agent",
    effect: Effect.gen(function*() {
      const { initialize, request, send } = yield* talking
      yield* equal("before", yield* request("account/read", {}), refused("Not initialized"))
      yield* begins(
        "an unknown method before",
        yield* request("nope/nope", {}),
        "Invalid request: unknown variant `nope/nope`, expected one of `"
      )
      yield* equal(
        "without clientInfo",
        yield* request("initialize", {}),
        refused("Invalid request: missing field `clientInfo`")
      )
      const info = yield* initialize
      yield* equal(
        "what the server says of itself",
        Predicate.isObject(info) ? Object.keys(info) : info,
        ["userAgent", "codexHome", "platformFamily", "platformOs"]
      )
      const userAgent = String(Reflect.get(Object(info), "userAgent"))
      yield* equal("the user agent", userAgent.replace(/^contract\/\d+\.\d+\.\d+ \(.*/, "agent"), "agent")
      yield* equal("again", yield* initialize, refused("Already initialized"))
      yield* send(JSON.stringify({ method: "initialized" }))
      yield* equal("after", yield* request("thread/loaded/list", {}), { data: [], nextCursor: null })
    })
  },
  {
    name: "handshake: requests that are malformed are refused with their reason",
    effect: Effect.gen(function*() {
      const { initialize, request } = yield* talking
      yield* initialize
      yield* equal(
        "no params",
        yield* request("thread/start"),
        refused("Invalid request: missing field `params`")
      )
      yield* equal(
        "no thread",
        yield* request("turn/start", {}),
        refused("Invalid request: missing field `threadId`")
      )
      yield* equal(
        "no input",
        yield* request("turn/start", { threadId: "x" }),
        refused("Invalid request: missing field `input`")
      )
      yield* begins("a number as folder", yield* request("thread/start", { cwd: 5 }), "Invalid request: ")
      yield* begins("no such sandbox", yield* request("thread/start", { sandbox: "bogus" }), "Invalid request: ")
      yield* begins("no such login", yield* request("account/login/start", { type: "bogus" }), "Invalid request: ")
    })
  },
  {
    name: "handshake: what is experimental has to be asked for",
    effect: Effect.gen(function*() {
      const { request } = yield* talking
      yield* request("initialize", { clientInfo: { name: "contract", version: "1.2.3" } })
      yield* equal(
        "a method",
        yield* request("process/spawn", { processHandle: "p", command: ["true"], cwd: "/" }),
        refused("process/spawn requires experimentalApi capability")
      )
      yield* equal(
        "a field",
        yield* request("thread/start", { dynamicTools: [] }),
        refused("thread/start.dynamicTools requires experimentalApi capability")
      )
      yield* equal(
        "a login",
        yield* request("account/login/start", {
          type: "chatgptAuthTokens",
          accessToken: "a",
          chatgptAccountId: "b"
        }),
        refused("account/login/start.chatgptAuthTokens requires experimentalApi capability")
      )
    })
  },
  {
    name: "handshake: lines that are no messages are dropped, and ids come back as they were",
    effect: Effect.gen(function*() {
      const { initialize, replies, send } = yield* talking
      yield* initialize
      const garbage = ["this is not json", "[1,2,3]", "42", "{\"foo\":1}", "{\"id\":\"abc\"}"]
      for (const line of garbage) yield* send(line)
      const read = { method: "account/read", params: {} }
      yield* send(JSON.stringify({ id: null, ...read }))
      yield* send(JSON.stringify({ id: 1.5, ...read }))
      yield* send(JSON.stringify({ id: 999, result: {} }))
      yield* send(JSON.stringify({ method: "unknown/notification", params: {} }))
      yield* send(JSON.stringify(read))
      for (const id of [-7, "a string"]) {
        yield* send(JSON.stringify({ jsonrpc: "2.0", id, ...read }))
        yield* equal("the id", (yield* replies)["id"], id)
      }
    })
  },
  {
    name: "handshake: messages that are no well-formed JSON, or are nested too deeply, are dropped",
    effect: Effect.gen(function*() {
      const { initialize, request, send } = yield* talking
      yield* initialize
      const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
      const list = (id: number, params: string) => `{"id":${id},"method":"thread/loaded/list","params":${params}}`
      for (const half of ["\\ud83d", "a\\ude00b", "\\ud83dA", "\\\\\\ud83d"]) {
        yield* send(list(900, `{"cursor":"${half}"}`))
        yield* send(list(901, `{"${half}":1}`))
      }
      yield* send(list(902, `{"x":${deep(126)}}`))
      yield* send(`{"id":903,"error":{"code":"x","message":"y"}}`)
      yield* send(`{"id":904,"error":{"code":-1}}`)
      yield* send(`{"id":905,"error":{"code":1.5,"message":"y"}}`)
      const empty = { data: [], nextCursor: null }
      yield* equal("the next", yield* request("thread/loaded/list", {}), empty)
      yield* equal("125 levels in an object", yield* request("thread/loaded/list", { x: JSON.parse(deep(125)) }), empty)
      yield* equal("an escaped backslash", yield* request("thread/loaded/list", { x: "\\ud83d \u{1F600}" }), empty)
    })
  }
]
