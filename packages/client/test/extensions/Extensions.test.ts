/** Extensions on the fake, on a mock, and what only a strange server does. */
import { AppServerRpc, type CodexError, Extensions } from "@effect-codex/client"
import { CodexTest, FakeAppServer } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Stream } from "effect"

const skill = "---\nname: review\ndescription: Reviews.\n---\nDo it.\n"
const Fake = Layer.provideMerge(
  Extensions.layer,
  FakeAppServer.layer({ files: { ".agents/skills/review/SKILL.md": skill, "/more/bad/SKILL.md": "no" } })
)

describe("with the fake", () => {
  it.effect("skills are its files", () =>
    Effect.gen(function*() {
      const extensions = yield* Extensions.Extensions
      yield* extensions.addSkillRoots(["/more"])
      assert.isFalse(yield* extensions.setSkillEnabled({ name: "review" }, false))
      const [here] = yield* extensions.skills()
      assert.deepStrictEqual(here?.skills?.map(({ enabled, name }) => [name, enabled]), [["review", false]])
      assert.deepStrictEqual(here?.errors?.map(({ path }) => path), ["/more/bad/SKILL.md"])
      assert.deepStrictEqual(yield* extensions.mcpServers(), [])
      yield* extensions.reloadMcpServers
    }).pipe(Effect.scoped, Effect.provide(Fake)))
})

describe("a mock", () => {
  it.effect("has the given members, and dies with the name of another", () =>
    Effect.gen(function*() {
      const extensions = yield* Extensions.Extensions
      assert.deepStrictEqual(yield* extensions.skills(), [])
      const exit = yield* Effect.exit(extensions.mcpServers())
      assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("Extensions.mcpServers"))
    }).pipe(Effect.provide(CodexTest.mockExtensions({ skills: () => Effect.succeed([]) }))))
})

/** A server that answers each request in this way. */
const answering = (
  request: (method: string) => Effect.Effect<unknown, CodexError.CallError>,
  notifications: AppServerRpc.AppServerRpc["Service"]["notifications"] = Stream.never
) =>
  Extensions.layer.pipe(
    Layer.provide(
      Layer.mock(AppServerRpc.AppServerRpc)({
        serverInfo: { version: "", userAgent: "", codexHome: "", platformFamily: "unix", platformOs: "linux" },
        restarts: 0,
        request: ((method: string) => request(method)) as never,
        notifications
      })
    )
  )

const completed = (params: object) => ({
  _tag: "mcpServer/oauthLogin/completed" as const,
  params: { name: "web", threadId: null, success: true, ...params }
})

describe("a strange server", () => {
  it.effect("that repeats a page is told of", () =>
    Effect.gen(function*() {
      const extensions = yield* Extensions.Extensions
      const error = yield* Effect.flip(extensions.mcpServers())
      assert.deepInclude(error, { _tag: "DecodeError", issue: "the server returned this cursor before." })
    }).pipe(Effect.provide(answering(() => Effect.succeed({ data: [], nextCursor: "again" })))))

  it.effect("ends a login only by its name and its attempt, and an old one names no attempt", () =>
    Effect.gen(function*() {
      const login = (loginId: string | undefined, events: ReadonlyArray<object>, end = Stream.never) =>
        Effect.gen(function*() {
          const extensions = yield* Extensions.Extensions
          const { id, wait } = yield* extensions.loginMcpServer({ server: "web" })
          return [id, yield* Effect.flip(wait)] as const
        }).pipe(
          Effect.scoped,
          Effect.provide(answering(
            () => Effect.succeed({ authorizationUrl: "http://h", ...loginId !== undefined && { loginId } }),
            Stream.concat(Stream.fromIterable(events.map(completed)), end)
          ))
        )
      const other = { loginId: "other" }
      const failed = { loginId: "mine", success: false, error: 5 }
      const [id, error] = yield* login("mine", [other, { name: "elsewhere", loginId: "mine" }, failed])
      assert.strictEqual(id, "mine")
      assert.deepInclude(error, { _tag: "McpLoginFailed", reason: "failed", detail: "the server gave no reason" })
      const [none, old] = yield* login(undefined, [{ success: false, error: "timed out waiting for OAuth callback" }])
      assert.isNull(none)
      assert.deepInclude(old, { _tag: "McpLoginFailed", reason: "timedOut" })
      // The end of the connection ends a login that nobody has told of.
      assert.strictEqual((yield* login("mine", [other], Stream.empty))[1]._tag, "TransportError")
    }))
})
