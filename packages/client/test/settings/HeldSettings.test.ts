/** What the server says that a thread holds, against what was asked: replies that the real server does not give. */
import { CodexError, Sandbox } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import * as Held from "../../src/internal/settings/heldSettings.ts"
import { samePath } from "../../src/internal/settings/paths.ts"
import { allSent } from "../../src/internal/settings/settings.ts"
import {
  completed,
  connect,
  type FakeServer,
  notification,
  started,
  threadId,
  threadOpened,
  turn
} from "../support/fakeServer.ts"

const readOnly = { type: "readOnly", networkAccess: false } as const
const workspaceWrite = {
  type: "workspaceWrite",
  writableRoots: [],
  networkAccess: false,
  excludeTmpdirEnvVar: false,
  excludeSlashTmp: false
} as const

/** Asks for settings of a server that says what it holds, and answers the requests that follow. */
const ensure = Effect.fnUntraced(function*(
  asked: Held.Asked,
  told: Held.Told,
  when: "fresh" | "loaded",
  ...answers: ReadonlyArray<readonly [method: string, answer: Effect.Effect<unknown> | object]>
) {
  const { rpc, server } = yield* connect()
  const ensuring = yield* Effect.forkScoped(Effect.result(Held.ensure(rpc, threadId, asked, told, when)))
  const sent: Array<unknown> = []
  for (const [method, answer] of answers) {
    const request = yield* server.next
    assert.strictEqual(request.method, method)
    sent.push(request.params)
    yield* "code" in answer
      ? server.refuse(request, Number(answer.code), "no")
      : server.reply(request, answer)
  }
  const result = yield* Fiber.join(ensuring)
  yield* Effect.forkScoped(server.close())
  return { result, sent }
})

/** The configuration adds nothing, or is not told. */
const config = ["config/read", { code: -32603 }] as const

const settingsOf = ({ result }: Effect.Success<ReturnType<typeof ensure>>) => {
  if (result._tag === "Success") return []
  assert.instanceOf(result.failure, CodexError.SettingsNotApplied)
  return result.failure.settings.map(({ asked, holds, setting }) => [setting, asked, holds])
}

describe("a reply", () => {
  it.effect("that says what was asked needs nothing more", () =>
    Effect.gen(function*() {
      const asked = {
        sandbox: Sandbox.readOnly,
        approvalPolicy: "never",
        cwd: "/w/",
        model: "m",
        serviceTier: "fast"
      } as const
      const told = { sandbox: readOnly, approvalPolicy: "never", cwd: "/w", model: "m", serviceTier: "priority" }
      for (const when of ["fresh", "loaded"] as const) {
        assert.deepStrictEqual(settingsOf(yield* ensure(asked, told, when)), [])
      }
    }))

  it.effect("that leaves things out has them sent again", () =>
    Effect.gen(function*() {
      const { result, sent } = yield* ensure(
        { sandbox: Sandbox.readOnly, approvalPolicy: "on-request", approvalsReviewer: "user", cwd: "/w" },
        {},
        "fresh",
        ["thread/settings/update", {}],
        ["thread/resume", { code: -32600 }]
      )
      assert.deepStrictEqual(sent[0], {
        threadId,
        sandboxPolicy: readOnly,
        approvalPolicy: "on-request",
        approvalsReviewer: "user",
        cwd: "/w"
      })
      // Refused for a reason that is not ours to judge.
      assert.strictEqual(result._tag === "Failure" ? result.failure._tag : "", "RpcError")
    }))

  it.effect("that is looser after the change is an error that says both", () =>
    Effect.gen(function*() {
      const failed = yield* ensure(
        { sandbox: Sandbox.readOnly },
        { sandbox: workspaceWrite },
        "loaded",
        config,
        ["thread/settings/update", {}],
        ["thread/resume", threadOpened({ sandbox: "workspace-write" })],
        ["thread/settings/update", {}],
        ["thread/resume", threadOpened({ sandbox: "workspace-write" })]
      )
      assert.deepStrictEqual(settingsOf(failed), [
        ["sandbox", JSON.stringify(readOnly), JSON.stringify(workspaceWrite)]
      ])
      assert.include(
        Result.isFailure(failed.result) ? failed.result.failure.message : "",
        "Either another client is changing the thread: try again. Or something stronger decides, such as the " +
          "server's requirements: ask for what holds, or change the configuration."
      )
    }))

  it.effect("that tells of somebody else's change in between has the settings sent again", () =>
    Effect.gen(function*() {
      const raced = yield* ensure(
        { sandbox: Sandbox.readOnly },
        { sandbox: workspaceWrite },
        "loaded",
        config,
        ["thread/settings/update", {}],
        ["thread/resume", threadOpened({ sandbox: "danger-full-access" })],
        ["thread/settings/update", {}],
        ["thread/resume", threadOpened({ sandbox: "read-only" })]
      )
      assert.deepStrictEqual(settingsOf(raced), [])
      assert.deepStrictEqual(raced.sent[3], { threadId, sandboxPolicy: readOnly })
    }))

  it.effect("that is unknown, stricter, or of a profile of the configuration is not what was asked", () =>
    Effect.gen(function*() {
      const profile = { id: "mine", extends: null }
      for (
        const told of [
          { sandbox: { type: "future" } },
          { sandbox: readOnly },
          { sandbox: workspaceWrite, activePermissionProfile: profile },
          { sandbox: { ...workspaceWrite, networkAccess: true } },
          { sandbox: { ...workspaceWrite, writableRoots: ["/"] } },
          { sandbox: { ...workspaceWrite, writableRoots: ["/tmp", "/other"] } }
        ]
      ) {
        const { sent } = yield* ensure(
          { sandbox: Sandbox.workspaceWrite },
          told as Held.Told,
          "loaded",
          config,
          ["thread/settings/update", {}],
          ["thread/resume", threadOpened({ sandbox: "workspace-write" })]
        )
        assert.deepStrictEqual(sent[1], { threadId, sandboxPolicy: workspaceWrite })
      }
    }))

  it.effect("may have what the configuration adds to a workspace-write, and what the server spells out", () =>
    Effect.gen(function*() {
      const held = { ...workspaceWrite, writableRoots: ["/w", "/x"], networkAccess: true }
      const added = {
        writable_roots: ["/x"],
        network_access: true,
        exclude_tmpdir_env_var: false,
        exclude_slash_tmp: false
      }
      const asked = { sandbox: Sandbox.workspaceWrite }
      assert.deepStrictEqual(
        settingsOf(yield* ensure({ ...asked, details: added }, { sandbox: held, cwd: "/w" }, "loaded")),
        []
      )
      const spelled = { ...workspaceWrite, writableRoots: ["/w", "/tmp"], excludeTmpdirEnvVar: true }
      assert.deepStrictEqual(
        settingsOf(yield* ensure(asked, { sandbox: spelled, runtimeWorkspaceRoots: ["/w"] }, "loaded")),
        []
      )
    }))

  it.effect("of a server that cannot change settings is an error", () =>
    Effect.gen(function*() {
      const failed = yield* ensure({ model: "a" }, { model: "b" }, "loaded", ["thread/settings/update", {
        code: -32601
      }])
      assert.deepStrictEqual(settingsOf(failed), [["model", "a", "b"]])
    }))

  it.effect("of a server that gives a new thread something else is an error, and the thread is let go of", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* connect()
      const starting = yield* Effect.forkScoped(Effect.flip(codex.startThread({ sandbox: Sandbox.readOnly })))
      const answer = (
        method: string,
        reply: (request: Effect.Success<ReturnType<FakeServer["expect"]>>) => Effect.Effect<void>
      ) => Effect.flatMap(server.expect(method), reply)
      yield* answer("thread/start", (request) => server.reply(request, threadOpened({ sandbox: "danger-full-access" })))
      yield* answer("config/read", (request) => server.refuse(request, -32603, "no"))
      yield* answer(
        "thread/resume",
        (request) => server.refuse(request, -32600, `no rollout found for thread id ${threadId}`)
      )
      yield* answer("thread/delete", (request) => server.refuse(request, -32600, "thread is not persisted"))
      yield* answer("thread/unsubscribe", (request) => server.reply(request, { status: "unsubscribed" }))
      const error = yield* Fiber.join(starting)
      assert.strictEqual(error._tag, "SettingsNotApplied")
      assert.strictEqual(
        error.message,
        `Thread ${threadId} does not hold the requested settings: sandbox (asked read-only, holds {"type":"dangerFullAccess"}). ` +
          "Something stronger decides, such as the server's requirements: ask for what holds, or change the configuration."
      )
    }))
})

describe("a thread that was just started or forked", () => {
  it.effect("is neither unknown nor in use, whatever the text of a refusal says", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* connect()
      const refusals = [`thread not found: ${threadId}`, `thread ${threadId} already has an active writer`]
      for (const [index, detail] of refusals.entries()) {
        const isFork = index === 1
        const opening = yield* Effect.forkScoped(Effect.flip(
          isFork
            ? codex.forkThread("source", { sandbox: Sandbox.readOnly })
            : codex.startThread({ sandbox: Sandbox.readOnly })
        ))
        yield* Effect.flatMap(server.expect(isFork ? "thread/fork" : "thread/start"), (request) =>
          server.reply(request, threadOpened({ sandbox: "workspace-write" })))
        yield* Effect.flatMap(server.expect("config/read"), (request) =>
          server.refuse(request, -32603, "no"))
        const update = yield* server.next
        assert.strictEqual(update.method, "thread/settings/update")
        yield* isFork ? server.reply(update, {}) : server.refuse(update, -32600, detail)
        if (isFork) {
          yield* Effect.flatMap(server.expect("thread/resume"), (request) => server.refuse(request, -32600, detail))
        }
        yield* Effect.flatMap(server.expect("thread/delete"), (request) => server.reply(request, {}))
        assert.deepInclude(yield* Fiber.join(opening), { _tag: "RpcError", reason: "invalidRequest", detail })
      }
    }))
})

describe("a review", () => {
  const item = { type: "enteredReviewMode", id: "r", review: "changes" }
  const entered = notification("item/started", { threadId, turnId: "turn-1", item, startedAtMs: 1 })
  const beginnings: ReadonlyArray<readonly [how: string, frames: ReadonlyArray<string>]> = [
    ["before it begins", [started("turn-1")]],
    ["before its first item, which comes before its beginning", [entered, started("turn-1")]],
    ["before it begins, and its beginning is lost", [entered]]
  ]
  it.effect.each(beginnings)(
    "is stopped when somebody adds a folder to its sandbox %s",
    ([, frames]) =>
      Effect.gen(function*() {
        const { codex, server } = yield* connect()
        const starting = yield* Effect.forkScoped(codex.startThread({ sandbox: Sandbox.workspaceWrite }))
        yield* Effect.flatMap(
          server.expect("thread/start"),
          (request) => server.reply(request, threadOpened(request.params))
        )
        const thread = yield* Fiber.join(starting)
        const review = Effect.scoped(
          Effect.flatMap(thread.review({ type: "uncommittedChanges" }), ({ result }) => result)
        )
        const reviewing = yield* Effect.forkScoped(Effect.flip(review))
        const request = yield* server.expect("review/start")
        yield* server.send(notification("thread/settings/updated", {
          threadId,
          threadSettings: { sandboxPolicy: { ...workspaceWrite, writableRoots: ["/tmp", "/"] } }
        }))
        yield* server.reply(request, { turn: turn("turn-1"), reviewThreadId: threadId })
        yield* server.send(...frames)
        yield* Effect.flatMap(server.expect("turn/interrupt"), (request) => server.reply(request, {}))
        yield* server.send(completed("turn-1", "interrupted"))
        assert.instanceOf(yield* Fiber.join(reviewing), CodexError.SettingsNotApplied)
      })
  )
})

describe("updateSettings", () => {
  const opened = Effect.gen(function*() {
    const { codex, server } = yield* connect()
    const starting = yield* Effect.forkScoped(codex.startThread({ sandbox: Sandbox.readOnly }))
    yield* Effect.flatMap(
      server.expect("thread/start"),
      (request) => server.reply(request, threadOpened(request.params))
    )
    return { server, thread: yield* Fiber.join(starting) }
  })
  for (const how of ["refused", "interrupted"]) {
    it.effect(`that is ${how} is kept by no turn, whatever was asked after it`, () =>
      Effect.gen(function*() {
        const { server, thread } = yield* opened
        const first = yield* Effect.forkScoped(Effect.exit(thread.updateSettings({ sandbox: Sandbox.fullAccess })))
        const loosening = yield* server.next
        const second = yield* Effect.forkScoped(thread.updateSettings({ model: "other" }))
        const other = yield* server.next
        if (how === "refused") {
          yield* server.refuse(loosening, -32600, "no")
          yield* Fiber.join(first)
        } else yield* Fiber.interrupt(first)
        yield* server.reply(other, {})
        yield* Fiber.join(second)
        const running = yield* Effect.forkScoped(thread.run("go"))
        const request = yield* server.expect("turn/start")
        yield* server.reply(request, { turn: turn("turn-1") })
        yield* server.send(started("turn-1"), completed("turn-1"))
        yield* Fiber.join(running)
        assert.deepStrictEqual(request.params?.sandboxPolicy, readOnly)
      }))
  }
})

describe("a fork", () => {
  it.effect("whose reply names its source is an error, and the source is left alone", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* connect()
      const forking = yield* Effect.forkScoped(Effect.flip(codex.forkThread(threadId, { model: "asked" })))
      yield* Effect.flatMap(
        server.expect("thread/fork"),
        (request) => server.reply(request, threadOpened({ model: "held" }))
      )
      const error = yield* Effect.raceFirst(
        Fiber.join(forking),
        Effect.map(server.next, ({ method }) => ({ _tag: `sent ${method}` }))
      )
      assert.strictEqual(error._tag, "DecodeError")
    }))
})

describe("folders", () => {
  it("are the same however they are spelled", () => {
    for (
      const [a, b, same] of [
        ["/w/", "/w", true],
        ["/w/../x/./y", "/x/y", true],
        ["/w", "/W", false],
        ["/", "/w", false],
        ["C:\\Work\\", "c:/work", true],
        ["\\\\?\\C:\\Work", "C:\\Work", true]
      ] as const
    ) assert.strictEqual(samePath(a, b), same, `${a} ${b}`)
  })
})

describe("an option", () => {
  it("that is not sent does not compile", () => {
    const options: { readonly sent?: string; readonly forgotten?: string } = {}
    const { sent: _, ...rest } = options
    // @ts-expect-error `forgotten` is left over
    allSent(rest)
    const { forgotten: __, ...nothing } = rest
    allSent(nothing)
  })
})
