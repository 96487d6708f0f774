import { ApprovalMode, CodexError, Sandbox, type Thread, type Turn } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"

const id = "turn-1"

const reply = (request: Fake.Message, turnId = id) =>
  Fake.frame({ id: request.id, result: { turn: Fake.turn(turnId) } })

/** Starts a turn in a scope of its own, which the test closes. */
const open = Effect.fnUntraced(function*(thread: Thread.Thread, server: Fake.FakeServer) {
  const scope = yield* Scope.make()
  const starting = yield* thread.turn("go").pipe(Scope.provide(scope), Effect.forkScoped)
  const request = yield* server.expect("turn/start")
  yield* server.send(reply(request), Fake.started(id))
  return { turn: yield* Fiber.join(starting), close: Scope.close(scope, Exit.void) }
})

const tags = (turn: Turn.Turn) => Stream.runCollect(Stream.map(turn.events, (event) => event._tag))

describe("the order of frames", () => {
  const cause = new CodexError.AppServerExited({ code: 1, signal: null, stderr: [] })
  const steps = ["reply", "started", "completed", "end"] as const
  type Step = typeof steps[number]
  const permutations = (rest: ReadonlyArray<Step>): Array<ReadonlyArray<Step>> =>
    rest.length === 0
      ? [[]]
      : rest.flatMap((step) => permutations(rest.filter((other) => other !== step)).map((tail) => [step, ...tail]))

  for (const order of permutations(steps)) {
    for (const reads of ["one read", "several reads"] as const) {
      it.effect(`${order.join(", ")} in ${reads} ends the turn`, () =>
        Effect.gen(function*() {
          const { server, thread } = yield* Fake.connectThread()
          const running = yield* Effect.forkScoped(Effect.exit(thread.run("go")))
          const request = yield* server.expect("turn/start")
          const frames = { reply: reply(request), started: Fake.started(id), completed: Fake.completed(id) }
          const before = order.slice(0, order.indexOf("end")) as Array<Exclude<Step, "end">>
          if (reads === "one read") yield* server.send(...before.map((step) => frames[step]))
          else yield* Effect.forEach(before, (step) => Effect.andThen(server.send(frames[step]), Effect.yieldNow))
          yield* server.close(cause)
          const exit = yield* Fiber.join(running)
          const heard = before.includes("reply") && before.includes("completed")
          assert.strictEqual(Exit.isSuccess(exit), heard)
          if (Exit.isFailure(exit)) assert.include(String(exit.cause), "AppServerExited")
        }))
    }
  }

  it.effect("frames that come before the reply are the turn's first events", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const starting = yield* Effect.forkScoped(thread.turn("go"))
      const request = yield* server.expect("turn/start")
      yield* server.send(
        Fake.started(id),
        Fake.delta(id, "m", "early "),
        reply(request),
        Fake.delta(id, "m", "late"),
        Fake.completed(id)
      )
      const turn = yield* Fiber.join(starting)
      assert.deepStrictEqual(yield* Stream.runCollect(turn.text), ["early ", "late"])
    }))

  it.effect.prop(
    "any interleaving of turns keeps each turn's text, items and end apart",
    [
      Schema.Array(Schema.Tuple([Schema.Literals([0, 1, 2]), Schema.String])),
      Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })))
    ],
    ([writes, cuts]) =>
      Effect.gen(function*() {
        const { codex, server } = yield* Fake.connect()
        const turns = yield* Effect.forEach([0, 1, 2], (n) =>
          Effect.gen(function*() {
            const threadId = `thread-${n}`
            const resuming = yield* Effect.forkScoped(codex.resumeThread(threadId))
            yield* Effect.flatMap(
              server.expect("thread/resume"),
              (request) =>
                server.reply(request, {
                  ...Fake.threadStarted(threadId),
                  collaborationMode: null,
                  initialTurnsPage: null
                })
            )
            const thread = yield* Fiber.join(resuming)
            const starting = yield* Effect.forkScoped(thread.turn("go"))
            return { n, threadId, turnId: `turn-${n}`, starting, request: yield* server.expect("turn/start") }
          }))
        const frames = [
          ...writes.map(([n, text]) => Fake.delta(`turn-${n}`, "m", text, `thread-${n}`)),
          // A subagent of the first turn runs and ends in a thread of its own.
          Fake.started("child", "child-thread"),
          Fake.completed("child", "failed", {}, "child-thread"),
          ...turns.map(({ n, threadId, turnId }) =>
            Fake.itemCompleted(turnId, Fake.agentMessage("m", `answer ${n}`), threadId)
          ),
          ...turns.map(({ n, threadId, turnId }) => Fake.delta(turnId, "end", `end ${n}`, threadId)),
          ...turns.map(({ threadId, turnId }) => Fake.completed(turnId, "completed", {}, threadId))
        ]
        // The replies come somewhere among the frames, and the frames in reads of any size.
        turns.forEach(({ request, turnId }, i) => frames.splice((cuts[i] ?? 0) * 2, 0, reply(request, turnId)))
        for (let at = 0, i = 0; at < frames.length; i++) {
          const size = cuts[i % Math.max(cuts.length, 1)] ?? frames.length
          yield* server.send(...frames.slice(at, at + size))
          at += size
          yield* Effect.yieldNow
        }
        for (const { n, starting } of turns) {
          const turn = yield* Fiber.join(starting)
          const result = yield* turn.result
          assert.deepStrictEqual(result.finalResponse, Option.some(`answer ${n}`))
          const written = writes.filter(([of]) => of === n).map(([, text]) => text).join("")
          // What was written may happen to be the beginning of the answer, which then goes on.
          const said = `answer ${n}`.startsWith(written) ? `answer ${n}` : written
          assert.strictEqual((yield* Stream.runCollect(turn.text)).join(""), `${said}\n\nend ${n}`)
        }
      }).pipe(Effect.scoped),
    // A hundred sessions.
    60_000
  )
})

describe("a reply that does not fit the protocol", () => {
  const start = (turn: unknown) =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const run = yield* Effect.forkScoped(Effect.exit(thread.run("go")))
      const request = yield* server.expect("turn/start")
      yield* server.send(Fake.frame({ id: request.id, result: { turn } }), Fake.started(id), Fake.completed(id))
      return yield* Fiber.join(run)
    })

  it.effect("is no matter as long as it names the turn, which runs", () =>
    Effect.gen(function*() {
      assert.isTrue(Exit.isSuccess(yield* start({ id, status: 5 })))
    }))

  it.effect("is DecodeError when it does not", () =>
    Effect.gen(function*() {
      const exit = yield* start({ id: 5 })
      assert.isTrue(Exit.isFailure(exit) && String(exit.cause).includes("DecodeError"))
    }))
})

describe("a review", () => {
  // The server begins it under another id than it answers with, and completes it under the one that it answered with.
  const began = Fake.notification("turn/started", {
    threadId: Fake.threadId,
    turn: Fake.turn("running", "inProgress", { rootTurnId: "review" })
  })

  it.effect("whose reply, beginning and end come in one read is one turn", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const starting = yield* Effect.forkScoped(thread.review({ type: "uncommittedChanges" }))
      const request = yield* server.expect("review/start")
      yield* server.send(
        began,
        Fake.completed("review"),
        Fake.frame({ id: request.id, result: { turn: Fake.turn("review"), reviewThreadId: Fake.threadId } })
      )
      const turn = yield* Fiber.join(starting)
      assert.deepStrictEqual(yield* tags(turn), ["turn/started", "turn/completed"])
      assert.strictEqual((yield* turn.result).status, "completed")
    }))

  it.effect("is none of a turn whose root is unknown", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const run = yield* Effect.forkScoped(thread.run("go"))
      const request = yield* server.expect("turn/start")
      yield* server.send(
        reply(request),
        Fake.notification("turn/started", {
          threadId: Fake.threadId,
          turn: Fake.turn(id, "inProgress", { rootTurnId: "another" })
        }),
        Fake.completed(id)
      )
      assert.strictEqual((yield* Fiber.join(run)).status, "completed")
    }))

  for (const reads of ["one read", "two reads"] as const) {
    it.effect(`whose reply and beginning come in ${reads} is one turn from its start to its end`, () =>
      Effect.gen(function*() {
        const { server, thread } = yield* Fake.connectThread()
        const starting = yield* Effect.forkScoped(thread.review({ type: "uncommittedChanges" }))
        const request = yield* server.expect("review/start")
        const replied = Fake.frame({
          id: request.id,
          result: { turn: Fake.turn("review"), reviewThreadId: Fake.threadId }
        })
        if (reads === "one read") yield* server.send(replied, began)
        else {
          yield* server.send(replied)
          yield* Effect.yieldNow
          yield* server.send(began)
        }
        const turn = yield* Fiber.join(starting)
        const events = yield* Effect.forkScoped(tags(turn))
        // It is interrupted under the id that it runs under.
        yield* Effect.forkScoped(turn.interrupt)
        assert.deepInclude((yield* server.expect("turn/interrupt")).params, { turnId: "running" })
        yield* server.send(Fake.completed("review"))
        assert.deepStrictEqual(yield* Fiber.join(events), ["turn/started", "turn/completed"])
        assert.strictEqual((yield* turn.result).status, "completed")
      }))
  }
})

describe("result", () => {
  const finish = Effect.fnUntraced(function*(...frames: ReadonlyArray<string>) {
    const { server, thread } = yield* Fake.connectThread()
    const running = yield* Effect.forkScoped(Effect.exit(thread.run("go")))
    const request = yield* server.expect("turn/start")
    yield* server.send(reply(request), Fake.started(id), ...frames)
    return yield* yield* Fiber.join(running)
  })
  const finishTurn = Effect.fnUntraced(function*(...frames: ReadonlyArray<string>) {
    const { server, thread } = yield* Fake.connectThread()
    const { turn } = yield* open(thread, server)
    yield* server.send(...frames)
    return { turn }
  })
  const message = (text: string, phase?: string | null) => Fake.itemCompleted(id, Fake.agentMessage(text, text, phase))

  it.effect("takes the last final answer, else the last message without a phase, never commentary", () =>
    Effect.gen(function*() {
      const responses = yield* Effect.forEach([
        [message("a"), message("b", "final_answer"), message("c", "commentary"), message("d")],
        [message("a"), message("b"), message("c", "commentary")],
        [message("a", "commentary")],
        [message("a"), message("", "final_answer")],
        [message("a"), message("b", "partial_answer")],
        []
      ], (frames) => Effect.map(finish(...frames, Fake.completed(id)), (result) => result.finalResponse))
      assert.deepStrictEqual(responses, [
        Option.some("b"),
        Option.some("b"),
        Option.none(),
        Option.some(""),
        Option.some("a"),
        Option.none()
      ])
    }))

  it.effect("has the items in the order of their completion, unknown ones and those that do not fit, too", () =>
    Effect.gen(function*() {
      const result = yield* finish(
        message("a"),
        Fake.itemCompleted(id, { type: "telepathy", id: "x", strength: 3 }),
        Fake.itemCompleted(id, { type: "agentMessage", id: "no text" }),
        message("b"),
        Fake.completed(id, "completed", { items: [Fake.agentMessage("b", "b")], itemsView: "summary" })
      )
      assert.deepStrictEqual(result.items.map((item) => item.type), [
        "agentMessage",
        "telepathy",
        "undecodable",
        "agentMessage"
      ])
      assert.deepInclude(result.items[2], { id: "no text", raw: { type: "agentMessage", id: "no text" } })
    }))

  it.effect("has an item that is completed again once, in its place, as it was completed last", () =>
    Effect.gen(function*() {
      const again = Fake.itemCompleted(id, Fake.agentMessage("a", "after"))
      const { turn } = yield* finishTurn(message("a"), message("b"), message("b"), again, Fake.completed(id))
      const { items } = yield* turn.result
      assert.deepStrictEqual(items.map((item) => [item.id, item.type === "agentMessage" && item.text]), [
        ["a", "after"],
        ["b", "b"]
      ])
      // The stream tells a change, and nothing twice.
      assert.deepStrictEqual((yield* Stream.runCollect(turn.items)).map((item) => item.id), ["a", "b", "a"])
    }))

  it.effect("has the plan that was proposed last, which is no final response", () =>
    Effect.gen(function*() {
      const plan = (text: string) => Fake.itemCompleted(id, { type: "plan", id: "p", text })
      const none = yield* finish(message("a"), Fake.completed(id))
      assert.deepStrictEqual(none.plan, Option.none())
      const { finalResponse, plan: proposed } = yield* finish(plan("first"), plan("second"), Fake.completed(id))
      assert.deepStrictEqual([finalResponse, proposed], [Option.none(), Option.some("second")])
    }))

  it.effect("counts a response that was cut short, which the server adds to the total alone", () =>
    Effect.gen(function*() {
      const { usage } = yield* finish(Fake.tokenUsage(id, 10, 110), Fake.tokenUsage(id, 10, 113), Fake.completed(id))
      assert.strictEqual(Option.getOrThrow(usage).turn.totalTokens, 13)
    }))

  it.effect("has what its subagents used beside it, each of their calls once, until its end", () =>
    Effect.gen(function*() {
      const child = (turnId: string, rootTurnId: string) =>
        Fake.notification("turn/started", { threadId: "child", turn: Fake.turn(turnId, "inProgress", { rootTurnId }) })
      const { usage } = yield* finish(
        child("c1", id),
        Fake.tokenUsage(id, 10, 10),
        Fake.tokenUsage("c1", 100, 100, "child"),
        Fake.tokenUsage("c1", 100, 100, "child"),
        Fake.tokenUsage("c1", 20, 120, "child"),
        Fake.completed("c1", "completed", {}, "child"),
        // The subagent is asked for more.
        child("c2", id),
        Fake.tokenUsage("c2", 3, 123, "child"),
        // The subagent of a subagent.
        child("g1", id).replace("child", "grandchild"),
        Fake.tokenUsage("g1", 1000, 1000, "grandchild"),
        // Of another turn.
        child("o1", "turn-of-another"),
        Fake.tokenUsage("o1", 7, 7, "child"),
        Fake.completed(id),
        Fake.tokenUsage("c2", 50_000, 50_123, "child")
      )
      const { subagents, total, turn } = Option.getOrThrow(usage)
      assert.deepStrictEqual([turn, subagents, total].map(({ totalTokens }) => totalTokens), [10, 1123, 10])
    }))

  it.effect("adds up what the turn's calls of the model used, and counts a repetition once", () =>
    Effect.gen(function*() {
      const result = yield* finish(
        Fake.tokenUsage(id, 10, 110),
        Fake.tokenUsage(id, 10, 110),
        Fake.tokenUsage(id, 5, 115),
        Fake.completed(id)
      )
      const usage = Option.getOrThrow(result.usage)
      assert.strictEqual(usage.turn.totalTokens, 15)
      assert.strictEqual(usage.last.totalTokens, 5)
      assert.strictEqual(usage.total.totalTokens, 115)
      assert.deepStrictEqual(usage.modelContextWindow, Option.some(258400))
    }))

  it.effect("has the server's times", () =>
    Effect.gen(function*() {
      const result = yield* finish(Fake.completed(id))
      assert.deepStrictEqual(Option.map(result.duration, Duration.toMillis), Option.some(1500))
      assert.strictEqual(Option.getOrThrow(result.startedAt).epochMilliseconds, 1795374429000)
      assert.strictEqual(Option.getOrThrow(result.completedAt).epochMilliseconds, 1795374431000)
    }))

  it.effect("is TurnFailed with message, info and what was done for a failed turn", () =>
    Effect.gen(function*() {
      const error = { message: "boom", codexErrorInfo: "serverOverloaded", additionalDetails: null, misalignment: null }
      const failure = yield* Effect.flip(finish(message("partial"), Fake.completed(id, "failed", { error })))
      assert.instanceOf(failure, CodexError.TurnFailed)
      assert.strictEqual(failure.detail, "boom")
      assert.strictEqual(failure.info, "serverOverloaded")
      assert.isTrue(failure.isRetryable)
      assert.strictEqual(failure.result.items.length, 1)
      assert.match(failure.message, /^The turn failed \(overloaded\): .*: boom\. Try again later/)
    }))

  it.effect("names an info that is an object, also one from a newer server", () =>
    Effect.gen(function*() {
      for (
        const [codexErrorInfo, name, retryable] of [
          [{ httpConnectionFailed: { httpStatusCode: 401 } }, "httpConnectionFailed", false],
          [{ httpConnectionFailed: { httpStatusCode: 502 } }, "httpConnectionFailed", true],
          [{ httpConnectionFailed: { httpStatusCode: null } }, "httpConnectionFailed", true],
          [{ responseTooManyFailedAttempts: { httpStatusCode: 429 } }, "responseTooManyFailedAttempts", true],
          [{ moonPhase: { full: true } }, "moonPhase", false],
          ["somethingNew", "somethingNew", false],
          [null, undefined, false]
        ] as const
      ) {
        const error = { message: "boom", codexErrorInfo, additionalDetails: null, misalignment: null }
        const failure = yield* Effect.flip(finish(Fake.completed(id, "failed", { error })))
        assert.instanceOf(failure, CodexError.TurnFailed)
        assert.strictEqual(failure.infoName, name)
        assert.strictEqual(failure.isRetryable, retryable)
      }
    }))

  it.effect("is never a success for a status that is not known, and TurnInterrupted for an interrupted one", () =>
    Effect.gen(function*() {
      const unknown = yield* Effect.flip(finish(Fake.completed(id, "transcended")))
      assert.strictEqual(unknown._tag, "TurnFailed")
      assert.include(unknown.message, "transcended")
      const interrupted = yield* Effect.flip(finish(message("partial"), Fake.completed(id, "interrupted")))
      assert.instanceOf(interrupted, CodexError.TurnInterrupted)
      assert.strictEqual(interrupted.result.items.length, 1)
    }))

  it.effect("is no success when the completion says nothing of the turn", () =>
    Effect.gen(function*() {
      const bare = Fake.notification("turn/completed", { threadId: Fake.threadId, turnId: id })
      assert.strictEqual((yield* Effect.flip(finish(bare)))._tag, "TurnFailed")
    }))

  it.effect("survives whatever stands in the completion beside id and status", () =>
    Effect.gen(function*() {
      const result = yield* finish(
        Fake.tokenUsage(id, 1, 1).replace("\"totalTokens\":1", "\"totalTokens\":\"one\""),
        Fake.completed(id, "completed", { startedAt: "yesterday", durationMs: {}, error: 3, items: "none" })
      )
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual([result.startedAt, result.duration, result.usage], [
        Option.none(),
        Option.none(),
        Option.none()
      ])
    }))
})

describe("events", () => {
  it.effect("reach a first reader one by one and a later one with merged deltas, live from there", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const { turn } = yield* open(thread, server)
      const first = yield* Effect.forkScoped(tags(turn))
      yield* server.send(Fake.delta(id, "m", "a"), Fake.delta(id, "m", "b"))
      yield* Effect.yieldNow
      const second = yield* Effect.forkScoped(Stream.runCollect(turn.text))
      yield* Effect.yieldNow
      yield* server.send(Fake.delta(id, "m", "c"), Fake.completed(id))
      assert.deepStrictEqual(yield* Fiber.join(first), [
        "turn/started",
        ...Array.from({ length: 3 }, () => "item/agentMessage/delta"),
        "turn/completed"
      ])
      assert.strictEqual((yield* Fiber.join(second)).join(""), "abc")
      assert.deepStrictEqual(yield* tags(turn), ["turn/started", "item/agentMessage/delta", "turn/completed"])
      assert.strictEqual((yield* turn.result).status, "completed")
      yield* Effect.yieldNow
      assert.strictEqual((yield* Stream.runCollect(turn.text)).join(""), "abc")
    }))

  it.effect("end with turn/completed, whatever follows it", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const { turn } = yield* open(thread, server)
      yield* server.send(Fake.completed(id), Fake.delta(id, "m", "late"), Fake.completed(id, "failed"))
      assert.deepStrictEqual(yield* tags(turn), ["turn/started", "turn/completed"])
      assert.strictEqual((yield* turn.result).status, "completed")
    }))

  it.effect("of a method or a shape that is not known pass through and hide nothing", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const { turn } = yield* open(thread, server)
      const about = { threadId: Fake.threadId, turnId: id }
      yield* server.send(
        Fake.notification("item/hologram/delta", about),
        Fake.notification("item/started", { ...about, item: { type: "agentMessage", id: 3 } }),
        Fake.completed(id).replace("notLoaded", "holographic")
      )
      const events = yield* Stream.runCollect(turn.events)
      assert.deepStrictEqual(events.map((event) => event._tag), [
        "turn/started",
        "Unknown",
        "Undecodable",
        "turn/completed"
      ])
    }))

  it.effect("fail with the cause of the connection's end after what came before it", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const { turn } = yield* open(thread, server)
      yield* server.send(Fake.delta(id, "m", "a"))
      yield* server.close(new CodexError.AppServerExited({ code: 1, signal: null, stderr: [] }))
      const seen: Array<string> = []
      const error = yield* Effect.flip(
        Stream.runForEach(turn.events, (event) => Effect.sync(() => seen.push(event._tag)))
      )
      assert.strictEqual(error._tag, "AppServerExited")
      assert.deepStrictEqual(seen, ["turn/started", "item/agentMessage/delta"])
      assert.strictEqual((yield* Effect.flip(turn.result))._tag, "AppServerExited")
    }))
})

describe("the end of the layer", () => {
  it.effect("ends a turn that somebody outside still waits for", () =>
    Effect.gen(function*() {
      const layer = yield* Scope.make()
      const { server, thread } = yield* Scope.provide(Fake.connectThread(), layer)
      const running = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      const starting = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request), Fake.started(id))
      yield* Effect.yieldNow
      yield* Fiber.join(starting)
      yield* Scope.close(layer, Exit.void)
      assert.deepInclude(yield* Fiber.join(running), { _tag: "TransportError", reason: "closed" })
      assert.deepInclude(yield* Effect.flip(thread.run("go")), { _tag: "TransportError", reason: "closed" })
    }))

  it.effect("ends a turn whose start is unanswered", () =>
    Effect.gen(function*() {
      const layer = yield* Scope.make()
      const { server, thread } = yield* Scope.provide(Fake.connectThread(), layer)
      const running = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      yield* server.expect("turn/start")
      yield* Scope.close(layer, Exit.void)
      assert.deepInclude(yield* Fiber.join(running), { _tag: "TransportError", reason: "closed" })
    }))
})

describe("interrupting", () => {
  const expectInterrupt = (server: Fake.FakeServer) =>
    Effect.tap(
      server.expect("turn/interrupt"),
      (request) => Effect.sync(() => assert.deepStrictEqual(request.params, { threadId: Fake.threadId, turnId: id }))
    )

  it.effect("waits until the server has begun the turn", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* Fake.connectThread()
      const running = yield* Effect.forkScoped(Effect.exit(thread.run("go")))
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request))
      yield* Effect.yieldNow
      const interrupting = yield* Effect.forkScoped(Fiber.interrupt(running))
      yield* Effect.yieldNow
      assert.isUndefined(interrupting.pollUnsafe())
      // An interrupt that was sent already would come before this.
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* server.expect("model/list")
      yield* server.send(Fake.started(id))
      const interrupt = yield* expectInterrupt(server)
      yield* server.reply(interrupt, {})
      yield* Effect.yieldNow
      assert.isUndefined(interrupting.pollUnsafe())
      yield* server.send(Fake.completed(id, "interrupted"))
      yield* Fiber.join(interrupting)
    }))

  it.effect("asks again when the server has not begun the turn after all", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const { turn } = yield* open(thread, server)
      const interrupting = yield* Effect.forkScoped(turn.interrupt)
      const first = yield* expectInterrupt(server)
      yield* server.refuse(first, -32600, "no active turn to interrupt")
      yield* TestClock.adjust("1 second")
      const second = yield* expectInterrupt(server)
      yield* server.reply(second, {})
      yield* Fiber.join(interrupting)
      yield* server.send(Fake.completed(id, "interrupted"))
      assert.strictEqual((yield* turn.result).status, "interrupted")
    }))

  it.effect("is a success when the turn is over already, or ends meanwhile", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const { turn } = yield* open(thread, server)
      const interrupting = yield* Effect.forkScoped(turn.interrupt)
      yield* expectInterrupt(server)
      yield* server.send(Fake.completed(id))
      yield* Fiber.join(interrupting)
      yield* turn.interrupt
      assert.strictEqual((yield* turn.result).status, "completed")
    }))

  it.effect("happens when the scope of a running turn closes, and is bounded when the server says nothing", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const { close, turn } = yield* open(thread, server)
      const closing = yield* Effect.forkScoped(close)
      yield* expectInterrupt(server)
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(closing.pollUnsafe())
      const waiting = yield* Effect.forkScoped(Effect.flip(turn.result))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "TransportError", reason: "closed" })
    }))

  it.effect("does not happen when the turn is over", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* Fake.connectThread()
      const { close, turn } = yield* open(thread, server)
      yield* server.send(Fake.completed(id))
      yield* turn.result
      yield* close
      yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      yield* server.expect("account/logout")
    }))

  it.effect("stops a turn whose start is still unanswered", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const running = yield* Effect.forkScoped(Effect.exit(thread.run("go")))
      const request = yield* server.expect("turn/start")
      const interrupting = yield* Effect.forkScoped(Fiber.interrupt(running))
      yield* Effect.yieldNow
      yield* server.send(reply(request), Fake.started(id))
      yield* Effect.flatMap(expectInterrupt(server), (interrupt) => server.reply(interrupt, {}))
      yield* server.send(Fake.completed(id, "interrupted"))
      yield* Fiber.join(interrupting)
      // The thread is free again.
      yield* Effect.forkScoped(thread.run("next"))
      yield* server.expect("turn/start")
      yield* server.close()
    }))

  it.effect("sends nothing for a start that was not sent", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* Fake.connectThread({ rpc: { maxInFlight: 1 } })
      const blocking = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      const blocker = yield* server.expect("account/logout")
      const running = yield* Effect.forkScoped(Effect.exit(thread.run("go")))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(running)
      yield* server.reply(blocker, {})
      yield* Fiber.join(blocking)
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* server.expect("model/list")
    }))

  it.effect("fails with the connection's cause when that ends meanwhile", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const { turn } = yield* open(thread, server)
      const interrupting = yield* Effect.forkScoped(Effect.flip(turn.interrupt))
      yield* expectInterrupt(server)
      yield* server.close(new CodexError.AppServerExited({ code: 1, signal: null, stderr: [] }))
      assert.strictEqual((yield* Fiber.join(interrupting))._tag, "AppServerExited")
    }))

  it.effect("is what Effect.timeout does", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const running = yield* Effect.forkScoped(Effect.timeoutOption(thread.run("go"), "1 minute"))
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request), Fake.started(id))
      yield* Effect.yieldNow
      yield* TestClock.adjust("1 minute")
      yield* Effect.flatMap(expectInterrupt(server), (interrupt) => server.reply(interrupt, {}))
      yield* server.send(Fake.completed(id, "interrupted"))
      assert.deepStrictEqual(yield* Fiber.join(running), Option.none())
    }))
})

describe("a busy thread", () => {
  it.effect("refuses a second turn until the first is over, also when both start at once", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const first = yield* Effect.forkScoped(thread.run("one"))
      const second = yield* Effect.forkScoped(Effect.flip(thread.run("two")))
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request))
      assert.deepInclude(yield* Fiber.join(second), { _tag: "ThreadBusy", activeTurnId: id })
      yield* server.send(Fake.completed(id))
      yield* Fiber.join(first)
      yield* Effect.forkScoped(thread.run("three"))
      yield* server.expect("turn/start")
      yield* server.close()
    }))
})

describe("a thread that is made busy by somebody else", () => {
  it.effect("refuses a turn too", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const { turn } = yield* open(thread, server)
      yield* server.send(Fake.completed(id), Fake.started("of another client"))
      yield* turn.result
      assert.deepInclude(yield* Effect.flip(thread.run("go")), { activeTurnId: "of another client" })
    }))
})

describe("what is sent", () => {
  const started = Effect.fnUntraced(function*(options?: Thread.TurnOptions) {
    const { server, thread } = yield* Fake.connectThread()
    yield* Effect.forkScoped(thread.run("go", options))
    const { params } = yield* server.expect("turn/start")
    yield* server.close()
    return params
  })

  it.effect("is nothing but what was given, to the thread or to the turn", () =>
    Effect.gen(function*() {
      const { clientUserMessageId, ...given } = (yield* started()) ?? {}
      assert.deepStrictEqual(given, {
        threadId: Fake.threadId,
        approvalPolicy: "on-request",
        approvalsReviewer: "auto_review",
        input: [{ type: "text", text: "go", text_elements: [] }]
      })
      assert.match(String(clientUserMessageId), /^[0-9a-f-]{36}$/)
    }))

  it.effect("has the policy of the sandbox and of the approval mode", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* started({ sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.denyAll }), {
        sandboxPolicy: { type: "readOnly", networkAccess: false },
        approvalPolicy: "never"
      })
      assert.deepInclude(yield* started({ sandbox: Sandbox.workspaceWrite, approvalMode: ApprovalMode.autoReview }), {
        sandboxPolicy: {
          type: "workspaceWrite",
          writableRoots: [],
          networkAccess: false,
          excludeTmpdirEnvVar: false,
          excludeSlashTmp: false
        },
        approvalPolicy: "on-request",
        approvalsReviewer: "auto_review"
      })
      assert.deepInclude(yield* started({ approvalMode: ApprovalMode.dangerouslyBypass }), {
        sandboxPolicy: { type: "dangerFullAccess" },
        approvalPolicy: "never"
      })
    }))

  it.effect("is nothing at all when an argument is wrong", () =>
    Effect.gen(function*() {
      const { codex, rpc, server, thread } = yield* Fake.connectThread()
      const untyped = (options: unknown) => options as Thread.TurnOptions
      const errors = yield* Effect.forEach([
        thread.run("go", untyped({ sandbox: "read-only" })),
        thread.run("go", untyped({ approvalMode: "never" })),
        thread.run("go", { sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.dangerouslyBypass }),
        codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.dangerouslyBypass }),
        thread.run({ type: "image", url: "https://example.com/cat.png" }),
        thread.run(untyped({ says: "hello" }) as unknown as string)
      ], (call: Effect.Effect<unknown, CodexError.CodexError>) => Effect.flip(call))
      assert.deepStrictEqual(errors.map((error) => error._tag), Array.from({ length: 6 }, () => "InvalidArgument"))
      assert.include(errors[0]!.message, "Sandbox.workspaceWrite")
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* server.expect("model/list")
    }))

  it.effect("starts a thread with auto review and what was given, and resumes with what was given alone", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      yield* Effect.forkScoped(codex.startThread())
      assert.deepStrictEqual((yield* server.expect("thread/start")).params, {
        approvalPolicy: "on-request",
        approvalsReviewer: "auto_review"
      })
      yield* Effect.forkScoped(codex.startThread({
        model: "another-model",
        config: { model_reasoning_effort: "high" },
        sandbox: Sandbox.fullAccess,
        approvalMode: ApprovalMode.ask,
        ephemeral: true
      }))
      assert.deepStrictEqual((yield* server.expect("thread/start")).params, {
        approvalPolicy: "on-request",
        approvalsReviewer: "user",
        sandbox: "danger-full-access",
        model: "another-model",
        config: { model_reasoning_effort: "high" },
        ephemeral: true
      })
      yield* Effect.forkScoped(codex.resumeThread("thread-1"))
      assert.deepStrictEqual((yield* server.expect("thread/resume")).params, {
        threadId: "thread-1",
        excludeTurns: true
      })
      // What was begun is not waited for.
      yield* server.close()
    }))

  it.effect("repeats the sandbox of the thread with each turn, also one that its mode cannot express", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const sandbox = Sandbox.workspaceWriteWith({ writableRoots: ["/data"], networkAccess: true })
      const starting = yield* Effect.forkScoped(codex.startThread({ sandbox }))
      const request = yield* server.expect("thread/start")
      assert.deepInclude(request.params, { sandbox: "workspace-write" })
      yield* server.reply(request, Fake.threadOpened(request.params))
      const thread = yield* Fiber.join(starting)
      yield* Effect.forkScoped(thread.run("go"))
      const { params } = yield* server.expect("turn/start")
      yield* server.close()
      assert.deepInclude(params?.["sandboxPolicy"], { writableRoots: ["/data"], networkAccess: true })
    }))
})
