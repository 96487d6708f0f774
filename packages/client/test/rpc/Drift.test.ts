/**
 * Recorded turns of the real server, changed in every way that another version may change them: the turn still ends as the
 * server said, what does not fit is delivered as such, and the connection lives on.
 */
import { ApprovalMode } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Predicate, Scope, Stream } from "effect"
import * as Fs from "node:fs"
import * as Fake from "../support/fakeServer.ts"

interface Frame {
  readonly kind: "clientRequest" | "serverRequest" | "serverNotification"
  readonly method: string
  readonly params?: Json
  readonly result?: Json
}

type Json = null | string | number | boolean | ReadonlyArray<Json> | { readonly [key: string]: Json }

const load = (path: string): ReadonlyArray<Frame> =>
  JSON.parse(Fs.readFileSync(new URL(path, import.meta.url), "utf8")) as ReadonlyArray<Frame>

const recorded = load("../../../protocol/test/fixtures/frames.json")

// =============================================================================
// Mutations
// =============================================================================

type Path = ReadonlyArray<string | number>

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Every value inside of a value, itself included. */
function* inside(value: Json, at: Path = []): Generator<{ readonly at: Path; readonly value: Json }> {
  yield { at, value }
  if (typeof value !== "object" || value === null) return
  for (const [key, member] of Object.entries(value)) yield* inside(member, [...at, Array.isArray(value) ? +key : key])
}

/** A value with another one at a place, or with nothing there. */
const replace = (value: Json, at: Path, by: Json | undefined): Json => {
  const [key, ...rest] = at
  if (key === undefined) return by ?? null
  if (Array.isArray(value)) {
    return value.flatMap((member, i) =>
      i !== key ? [member] : by === undefined && rest.length === 0 ? [] : [replace(member, rest, by)]
    )
  }
  const { [key]: member, ...others } = value as { readonly [key: string]: Json }
  return by === undefined && rest.length === 0 ? others : { ...others, [key]: replace(member ?? null, rest, by) }
}

interface Mutation {
  readonly name: string
  /** Whether the open schemas promise that it fits. */
  readonly fits: boolean
  readonly at: Path
  readonly value: Json
}

const somethingNew = { type: "somethingNew", deep: [{ a: 1 }] }

// The keys of these objects are data, and not fields that a newer server may add to.
const maps = new Set(["origins", "readStates"])

function* mutations(value: Json): Generator<Mutation> {
  for (const { at, value: member } of inside(value)) {
    const where = at.join(".")
    const change = (name: string, fits: boolean, by: Json | undefined): Mutation => ({
      name: `${name} at ${where}`,
      fits,
      at,
      value: replace(value, at, by)
    })
    if (typeof member === "string") {
      yield change("a new string", true, "somethingNew")
      yield change("an empty string", true, "")
      yield change("a number for a string", false, 7)
    }
    if (typeof member === "number") yield change("a string for a number", false, "somethingNew")
    if (member === null) {
      yield change("nothing for null", true, undefined)
      yield change("an object for null", false, somethingNew)
    } else if (at.length > 0) {
      yield change("nothing", false, undefined)
      yield change("null", false, null)
    }
    if (isObject(member)) {
      for (
        const [key, { [key]: renamed = null, ...others }] of Object.keys(member).map((key) => [key, member] as const)
      ) {
        if (!maps.has(String(at.at(-1)))) {
          yield change(`another name of ${key}`, false, { ...others, [`${key}2`]: renamed })
        }
      }
      if (!maps.has(String(at.at(-1)))) yield change("a new key", true, { ...member, somethingNew })
      yield change("an empty object", false, {})
      yield change("an array for an object", false, [member])
    }
    if (Array.isArray(member)) {
      yield change("no elements", true, [])
      if (isObject(member[0]) && "type" in member[0]) yield change("a new member", true, [somethingNew, ...member])
      yield change("an object for an array", false, somethingNew)
    }
  }
}

// =============================================================================
// Sessions
// =============================================================================

/** A thread and its one turn, as the server told of them. */
interface Session {
  readonly name: string
  readonly frames: ReadonlyArray<Frame>
  readonly threadId: string
  readonly turnId: string
  readonly status: string
  readonly text: Option.Option<string>
  /** What the thread was started with. */
  readonly approvalMode: ApprovalMode.ApprovalMode
}

const modes = [ApprovalMode.denyAll, ApprovalMode.autoReview, ApprovalMode.ask, ApprovalMode.untrusted]

const sessionOf = (name: string, all: ReadonlyArray<Frame>, text: Option.Option<string>): Session => {
  const from = all.findIndex(({ method }) => method === "thread/start")
  const frames = all.slice(from, all.findIndex(({ method }) => method === "turn/completed") + 1)
  const reply = (method: string) => frames.find((frame) => frame.method === method)?.result as never
  const { approvalPolicy, approvalsReviewer, thread } = reply("thread/start") as {
    readonly approvalPolicy: string
    readonly approvalsReviewer: string
    readonly thread: { readonly id: string }
  }
  const approvalMode = modes.find(({ policy, reviewer = "user" }) =>
    policy === approvalPolicy && reviewer === approvalsReviewer
  )
  assert(approvalMode !== undefined)
  const { turn } = reply("turn/start") as { readonly turn: { readonly id: string } }
  const last = frames.at(-1)?.params as { readonly turn: { readonly status: string } }
  return { name, frames, threadId: thread.id, turnId: turn.id, status: last.turn.status, text, approvalMode }
}

const sessions: ReadonlyArray<Session> = [
  sessionOf("a command with an approval", recorded, Option.some("Done.")),
  sessionOf("a patch with an approval", load("../recordings/patch.json"), Option.some("All done.")),
  sessionOf("a failed turn", load("../recordings/failed.json"), Option.none()),
  sessionOf("an interrupted turn", load("../recordings/interrupted.json"), Option.none())
]

const newMethod = "a new method"

/** One frame of a session in another form. */
interface Drift {
  readonly frame: Frame
  readonly by: Frame
  readonly mutation: Omit<Mutation, "value">
}

// A frame that names another thread or turn is not a changed frame of this one.
const isIdentity = (frame: Frame, at: Path): boolean => {
  const where = at.join(".")
  if (where === "threadId" || where === "turnId" || where === "") return true
  return /^(thread|turn)\//.test(frame.method) && /^(thread|turn)(\.id)?$/.test(where)
}

function* drifts({ frames }: Session): Generator<Drift> {
  for (const frame of frames) {
    const part = frame.kind === "clientRequest" ? "result" : "params"
    for (const { value, ...mutation } of mutations(frame[part] ?? {})) {
      if (isIdentity(frame, mutation.at) && mutation.name !== "a new key at ") continue
      yield { frame, by: { ...frame, [part]: value }, mutation }
    }
    if (frame.kind === "clientRequest" || frame.method === "turn/completed") continue
    const mutation = { name: newMethod, fits: true, at: [] }
    if (frame.method !== "turn/started") yield { frame, by: { ...frame, method: "something/new" }, mutation }
  }
}

// What the final answer is taken from.
const isAnswer = ({ method, params }: Frame, at: Path): boolean =>
  method === "item/completed" && JSON.stringify(params).includes("\"agentMessage\"") &&
  /^item\.(type|text|phase)$/.test(at.join("."))

/** What the handler of an approval can do without, of what was recorded. */
const isSpare = (at: Path): boolean =>
  /^(?:startedAtMs|reason|commandActions|proposedExecpolicyAmendment|availableDecisions)$/.test(String(at[0]))

interface Told {
  /** How the thread was started, as an error's tag or `success`. */
  readonly thread: string
  readonly turn: string
  readonly status: string
  readonly text: Option.Option<string>
  readonly events: ReadonlyArray<string>
  readonly answers: ReadonlyArray<Fake.Message>
}

const tagOf = (exit: Exit.Exit<unknown, { readonly _tag: string }>): string =>
  Exit.isSuccess(exit)
    ? "success"
    : exit.cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error._tag : reason._tag).join()

type Connected = Effect.Success<ReturnType<typeof Fake.connect>>

/** Plays a session with threads and turns of its own number, and tells what a program saw of it. */
const play = Effect.fnUntraced(function*({ codex, server }: Connected, session: Session, drift: Drift, n: number) {
  const encode = ({ kind, method, params, result }: Frame, id?: number): string =>
    JSON.stringify(
      kind === "serverNotification"
        ? { method, params }
        : kind === "serverRequest"
        ? { id: n, method, params }
        : { id, result }
    )
      .replaceAll(session.threadId, `thread-${n}`).replaceAll(session.turnId, `turn-${n}`)
      .replaceAll("\"requestId\":0", `"requestId":${n}`)
  const none = { turn: "none", status: "none", text: Option.none(), events: [], answers: [] }
  const frames = session.frames.map((frame) => frame === drift.frame ? drift.by : frame)

  const starting = yield* Effect.forkChild(Effect.exit(codex.startThread({ approvalMode: session.approvalMode })))
  const asked = yield* server.expect("thread/start")
  yield* server.send(encode(frames[0]!, asked.id))
  // A reply that tells other settings than were asked for makes the client set them, and look again at what holds.
  const tellAgain = Effect.flatMap(
    server.expect("thread/resume"),
    (again) => server.send(encode(session.frames[0]!, again.id))
  )
  const thread = yield* Effect.raceFirst(Fiber.join(starting), Effect.forever(tellAgain))
  if (Exit.isFailure(thread)) return { ...none, thread: tagOf(thread) } satisfies Told

  const scope = yield* Scope.make()
  const turning = yield* Effect.forkChild(Effect.exit(Scope.provide(thread.value.turn("go"), scope)))
  const request = yield* server.expect("turn/start")
  const isRequest = (frame: Frame) => frame.kind === "serverRequest"
  const answers: Array<Fake.Message> = []
  const rest = frames.slice(1)
  for (let at = 0; at < rest.length;) {
    // The server waits for its answer.
    const next = rest.findIndex((frame, i) => i >= at && isRequest(frame))
    const end = next === -1 ? rest.length : next + 1
    yield* server.send(...rest.slice(at, end).map((frame) => encode(frame, request.id)))
    if (next !== -1) answers.push(yield* server.next)
    at = end
  }
  const turn = yield* Fiber.join(turning)
  if (Exit.isFailure(turn)) {
    yield* Scope.close(scope, Exit.void)
    return { ...none, thread: "success", turn: tagOf(turn), answers } satisfies Told
  }
  const result = yield* Effect.exit(turn.value.result)
  const events = yield* Stream.runCollect(Stream.map(turn.value.events, ({ _tag }) => _tag))
  yield* Scope.close(scope, Exit.void)
  return {
    thread: "success",
    turn: tagOf(result),
    status: Exit.isSuccess(result) ? result.value.status : "none",
    text: Exit.isSuccess(result) ? result.value.finalResponse : Option.none(),
    events,
    answers
  } satisfies Told
})

const alive = Effect.fnUntraced(function*({ rpc, server }: Connected) {
  const request = yield* Effect.forkChild(rpc.request("thread/loaded/list", {}))
  yield* Effect.flatMap(
    server.expect("thread/loaded/list"),
    (asked) => server.reply(asked, { data: [], nextCursor: null })
  )
  assert.deepStrictEqual(yield* Fiber.join(request), { data: [], nextCursor: null })
})

describe("a session in which one thing is changed", () => {
  for (const session of sessions) {
    it.effect(
      `${session.name}: ends as the server said, with every event, and the connection lives on`,
      () =>
        Effect.gen(function*() {
          const connected = yield* Fake.connect()
          const ofTurn = session.frames.filter(({ kind, params }) =>
            kind === "serverNotification" && isObject(params) && ("turnId" in params || "turn" in params)
          )
          const requests = session.frames.filter(({ kind }) => kind === "serverRequest")
          const seen = { unknown: 0, undecodable: 0 }
          const all = [...drifts(session)]
          for (const [n, drift] of all.entries()) {
            const { frame, mutation } = drift
            const told: Told = yield* play(connected, session, drift, n)
            yield* alive(connected)
            const label = `${frame.method}: ${mutation.name}: ${JSON.stringify(told)}`

            const isStatus = frame.method === "turn/completed" && mutation.at.join(".") === "turn.status"
            const succeeds = session.status !== "failed" && !isStatus
            assert.deepInclude(told, { thread: "success", turn: succeeds ? "success" : "TurnFailed" }, label)
            if (succeeds) assert.strictEqual(told.status, session.status, label)
            if (succeeds && !isAnswer(frame, mutation.at)) assert.deepStrictEqual(told.text, session.text, label)

            // The end of the turn has the answer, which is told once more if it was not heard before, or did not fit.
            const where = mutation.at.join(".")
            const isLost = frame.method === "item/completed" || where === "turn.items.0.id"
            const more = told.events.length - ofTurn.length
            assert.include(isLost ? [0, 1] : [0], more, label)
            if (more === 1) assert.strictEqual(told.events.at(-2), "item/completed", label)
            const events = told.events.filter((_, i) => more === 0 || i !== told.events.length - 2)
            events.forEach((tag, i) => {
              const { method } = ofTurn[i]!
              if (tag === "Unknown") seen.unknown++
              if (tag === "Undecodable") seen.undecodable++
              if (ofTurn[i] !== frame) assert.strictEqual(tag, method, label)
              else if (mutation.name === newMethod) assert.strictEqual(tag, "Unknown", label)
              else if (mutation.fits) assert.strictEqual(tag, method, label)
              else assert.include([method, "Undecodable"], tag, label)
            })

            assert.deepStrictEqual(told.answers.map(({ id }) => id), requests.map(() => n), label)
            for (const { error, result } of told.answers) {
              const isChanged = frame.kind === "serverRequest"
              if (isChanged && mutation.name === newMethod) assert.strictEqual(error?.code, -32601, label)
              else if (!isChanged || mutation.fits || isSpare(mutation.at)) {
                assert.deepStrictEqual(result, { decision: "decline" }, label)
              } else if (result === undefined) assert.strictEqual(error?.code, -32602, label)
            }
          }
          const { undecodable, ...counts } = yield* connected.rpc.diagnostics
          assert.deepStrictEqual(counts, { dropped: 0, garbage: 0, unmatchedReplies: 0, unknown: seen.unknown })
          // Those of which a part does not fit are counted too, and replies.
          assert.isAbove(undecodable, seen.undecodable)
          assert.isAbove(all.length, 400)
          assert.isAbove(seen.unknown, 2)
          assert.isAbove(seen.undecodable, 50)
        }),
      240_000
    )
  }
})

// The entries of a long list are all alike.
const shortened = (value: Json): Json => {
  if (Array.isArray(value)) return value.slice(0, 2).map(shortened)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shortened(member)]))
}

/** What does not fit, where it stood. */
const asItCame = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(asItCame)
  if (!Predicate.isReadonlyObject(value)) return value
  const { raw, type } = value
  if (type === "undecodable" && raw !== undefined) return raw
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, asItCame(member)]))
}

describe("a reply in which one thing is changed", () => {
  const asked = {
    "thread/read": { threadId: "t", includeTurns: true },
    "thread/timeline/list": { threadId: "t" },
    "thread/items/list": { threadId: "t" },
    "thread/list": {},
    "model/list": {},
    "account/read": {},
    "config/read": { includeLayers: true },
    "configRequirements/read": undefined,
    "mcpServerStatus/list": {},
    "skills/list": {},
    "collaborationMode/list": {},
    "experimentalFeature/list": {}
  } as const

  it.effect("is given as it is if it may come from another version, and is else a DecodeError", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connect()
      const { rpc, server } = connected
      const outcomes = { success: 0, DecodeError: 0 }
      for (const method of Object.keys(asked) as Array<keyof typeof asked>) {
        const result = recorded.find((frame) => frame.method === method)?.result ?? {}
        for (const mutation of mutations(shortened(result))) {
          const label = `${method}: ${mutation.name}`
          const request = yield* Effect.forkChild(Effect.exit(rpc.request(method, asked[method])))
          yield* Effect.flatMap(server.expect(method), (sent) => server.reply(sent, mutation.value))
          const exit = yield* Fiber.join(request)
          const tag = tagOf(exit)
          if (mutation.fits) assert.strictEqual(tag, "success", `${label}: ${String(exit)}`)
          if (Exit.isSuccess(exit)) assert.deepStrictEqual(asItCame(exit.value), mutation.value, label)
          else assert.strictEqual(tag, "DecodeError", label)
          outcomes[tag as keyof typeof outcomes]++
        }
      }
      yield* alive(connected)
      assert.isAbove(outcomes.success, 500)
      assert.isAbove(outcomes.DecodeError, 200)
    }))
})

const turnsOf = (read: Json): Json => {
  const thread = isObject(read) ? read["thread"] : undefined
  return isObject(thread) ? thread["turns"] ?? [] : []
}

describe("a call of which the reply is changed where the call does not look", () => {
  const resultOf = (method: string): Json => recorded.find((frame) => frame.method === method)?.result ?? {}
  // As `startThread` asks for it.
  const opened: Json = {
    ...resultOf("thread/start") as object,
    approvalPolicy: "on-request",
    approvalsReviewer: "auto_review"
  }
  const { thread } = opened as { readonly [key: string]: Json }

  const play = <A, E>(connected: Connected, method: string, call: Effect.Effect<A, E>, reply: Json) =>
    Effect.gen(function*() {
      const calling = yield* Effect.forkChild(Effect.exit(call))
      yield* Effect.flatMap(connected.server.expect(method), (sent) => connected.server.reply(sent, reply))
      return yield* Fiber.join(calling)
    })

  const handles = [
    ["thread/start", (codex) => codex.startThread(), opened],
    ["thread/resume", (codex) => codex.resumeThread("id"), opened],
    ["thread/fork", (codex) => codex.forkThread("id"), opened],
    ["thread/unarchive", (codex) => codex.unarchiveThread("id"), { thread: thread ?? null }]
  ] satisfies ReadonlyArray<
    readonly [string, (codex: Connected["codex"]) => Effect.Effect<{ readonly id: string }, unknown>, Json]
  >
  it.effect.each(handles)("gives the thread: %s", ([method, call, result]) =>
    Effect.gen(function*() {
      const connected = yield* Fake.connect()
      const id = isObject(thread) ? thread["id"] : undefined
      // With nothing asked for, the settings that are told are not looked at; `startThread` asks for an approval mode.
      const isUsed = (at: Path) => /^(|thread|thread\.id|approvalPolicy.*|approvalsReviewer)$/.test(at.join("."))
      for (const mutation of mutations(shortened(result))) {
        if (isUsed(mutation.at) && !mutation.name.startsWith("a new key")) continue
        const exit = yield* play(connected, method, call(connected.codex), mutation.value)
        const label = `${method}: ${mutation.name}: ${String(exit)}`
        assert.strictEqual(tagOf(exit as Exit.Exit<unknown, { readonly _tag: string }>), "success", label)
        if (Exit.isSuccess(exit)) assert.strictEqual(exit.value.id, id, label)
      }
      yield* alive(connected)
    }))

  const lists = [
    ["thread/list", ({ codex }) => Stream.runCollect(codex.listThreads())],
    ["model/list", ({ codex }) => codex.models()],
    ["thread/items/list", ({ codex }) => readAll(codex, "items")],
    ["thread/turns/list", ({ codex }) => readAll(codex, "turns")]
  ] satisfies ReadonlyArray<
    readonly [string, (connected: Connected) => Effect.Effect<ReadonlyArray<unknown>, unknown>]
  >
  const readAll = (codex: Connected["codex"], of: "items" | "turns") =>
    Effect.flatMap(
      codex.unarchiveThread("id"),
      (thread): Effect.Effect<ReadonlyArray<unknown>, unknown> =>
        of === "items" ? Stream.runCollect(thread.items()) : Stream.runCollect(thread.turns())
    )
  const turns = { data: isObject(resultOf("thread/read")) ? turnsOf(resultOf("thread/read")) : [], nextCursor: null }

  it.effect.each(lists)("gives the entries one by one, as they came: %s", ([method, call]) =>
    Effect.gen(function*() {
      const connected = yield* Fake.connect()
      const { server } = connected
      const result = shortened(method === "thread/turns/list" ? turns : resultOf(method))
      let undecodable = 0
      for (const mutation of mutations(result)) {
        const where = mutation.at.join(".")
        if (where === "nextCursor" && mutation.name.startsWith("a")) continue
        const calling = yield* Effect.forkChild(Effect.exit(call(connected)))
        if (method === "thread/items/list" || method === "thread/turns/list") {
          const sent = yield* server.expect("thread/unarchive")
          yield* server.reply(sent, { thread: thread ?? null })
        }
        yield* Effect.flatMap(server.expect(method), (sent) => server.reply(sent, mutation.value))
        const exit = yield* Fiber.join(calling)
        const label = `${method}: ${mutation.name}: ${String(exit)}`
        if ((where === "" || where === "data") && !Exit.isSuccess(exit)) {
          assert.strictEqual(tagOf(exit as Exit.Exit<unknown, { readonly _tag: string }>), "DecodeError", label)
          continue
        }
        if (!Exit.isSuccess(exit)) return assert.fail(label)
        const data = isObject(mutation.value) ? mutation.value["data"] : undefined
        assert.deepStrictEqual(asItCame(exit.value), data, label)
        const odd = exit.value.filter((entry) => Predicate.hasProperty(entry, "raw"))
        assert.isAtMost(odd.length, 1, label)
        undecodable += odd.length
      }
      assert.isAbove(undecodable, 15)
      yield* alive(connected)
    }))

  it.effect("connects: initialize", () =>
    Effect.gen(function*() {
      for (const mutation of mutations(Fake.initialized)) {
        if (mutation.at.length === 0 && !mutation.name.startsWith("a new key")) continue
        const { rpc } = yield* Effect.scoped(Fake.connect({ initialized: mutation.value }))
        const { userAgent = "" } = isObject(mutation.value) ? mutation.value : {}
        assert.strictEqual(rpc.serverInfo.userAgent, Predicate.isString(userAgent) ? userAgent : "", mutation.name)
      }
    }))
})
