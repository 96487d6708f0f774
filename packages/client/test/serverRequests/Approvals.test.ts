/** Approvals and the protocol they are made of, in memory. What the real server does with them: Approvals.real.test.ts. */
import { ApprovalQueue, Approvals, Elicitation, type ServerRequests } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Logger, Stream } from "effect"
import * as Fake from "../support/fakeServer.ts"

const answerTo = Effect.fnUntraced(function*(
  handlers: ServerRequests.Overrides,
  method: ServerRequests.Method,
  changed: object = {}
) {
  const { server } = yield* Fake.connect({ handlers })
  yield* server.send(Fake.ask(method, 0, changed))
  return (yield* server.next).result
}, Effect.scoped)

const approvalMethods = [
  "item/commandExecution/requestApproval",
  "item/fileChange/requestApproval",
  "item/permissions/requestApproval",
  "execCommandApproval",
  "applyPatchApproval"
] as const

const answersTo = (handlers: ServerRequests.Overrides) =>
  Effect.forEach(approvalMethods, (method) => answerTo(handlers, method))

const accepted: [unknown, ...Array<unknown>] = [
  { decision: "accept" },
  { decision: "accept" },
  { permissions: { network: { enabled: true } }, scope: "turn" },
  { decision: "approved" },
  { decision: "approved" }
]

const declined: [unknown, ...Array<unknown>] = [
  { decision: "decline" },
  { decision: "decline" },
  { permissions: {}, scope: "turn" },
  { decision: { denied: { rejection: "rejected by user" } } },
  { decision: { denied: { rejection: "rejected by user" } } }
]

const itemOf = (request: Approvals.ApprovalRequest) => "itemId" in request ? request.itemId : undefined

describe("acceptAll, deny and allow", () => {
  it.effect("decide all kinds of approvals, those of older servers too", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* answersTo(Approvals.acceptAll), accepted)
      assert.deepStrictEqual(yield* answersTo(Approvals.declineAll), declined)
      const seen: Array<Approvals.ApprovalRequest> = []
      const commands = yield* Approvals.acceptWhen((request) =>
        Effect.sync(() => {
          seen.push(request)
          return request._tag === "Command"
        })
      )
      assert.deepStrictEqual(yield* answersTo(commands), [
        accepted[0],
        declined[1],
        declined[2],
        accepted[3],
        declined[4]
      ])
      assert.deepStrictEqual(seen.map((request) => [request._tag, request.threadId, request.turnId, itemOf(request)]), [
        ["Command", Fake.threadId, "turn-1", "call-1"],
        ["FileChange", Fake.threadId, "turn-1", "call-1"],
        ["Permissions", Fake.threadId, "turn-1", "call-1"],
        ["Command", Fake.threadId, undefined, "call-1"],
        ["FileChange", Fake.threadId, undefined, "call-1"]
      ])
    }))

  it.effect("what a command does is unknown, and not nothing, where a newer server tells it in another form", () =>
    Effect.gen(function*() {
      const onlyReads = yield* Approvals.acceptWhen((request) =>
        Effect.succeed(request._tag === "Command" && request.actions.every(({ type }) => type === "read"))
      )
      const method = "item/commandExecution/requestApproval"
      for (const commandActions of [7, [{ type: "read", path: 7 }], { steps: [] }]) {
        assert.deepStrictEqual(yield* answerTo(onlyReads, method, { commandActions }), { decision: "decline" })
      }
    }))

  it.effect("a predicate that fails declines", () =>
    Effect.gen(function*() {
      const failing = yield* Approvals.acceptWhen(() => Effect.fail(new Error("no policy")))
      assert.deepStrictEqual(yield* answerTo(failing, "item/fileChange/requestApproval"), { decision: "decline" })
    }))
})

describe("a request", () => {
  const requestOf = Effect.fnUntraced(function*(method: ServerRequests.Method, changed: object = {}) {
    const got = yield* Deferred.make<Approvals.ApprovalRequest>()
    const decide = (request: Approvals.ApprovalRequest) => Effect.as(Deferred.succeed(got, request), "decline" as const)
    yield* answerTo(
      yield* Approvals.make({ command: decide, fileChange: decide, permissions: decide }),
      method,
      changed
    )
    return yield* Deferred.await(got)
  })

  it.effect("to run a command says what, where and what may be decided", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* requestOf("item/commandExecution/requestApproval", { reason: "to list" }), {
        kind: "command",
        command: "/bin/bash -lc ls",
        cwd: "/workspace",
        reason: "to list",
        proposedExecPolicyAmendment: ["ls"],
        availableDecisions: ["accept", Approvals.acceptWithExecPolicyAmendment(["ls"]), "cancel"]
      })
    }))

  it.effect("offers only what this version can send, and everything when the server does not say", () =>
    Effect.gen(function*() {
      const of = (availableDecisions: unknown) =>
        Effect.map(
          requestOf("item/commandExecution/requestApproval", { availableDecisions }),
          (request) => request._tag === "Command" ? request.availableDecisions : []
        )
      assert.deepStrictEqual(yield* of(["accept", "acceptForever", { acceptUntil: { time: 1 } }]), ["accept"])
      assert.deepStrictEqual(yield* of(null), ["accept", "acceptForSession", "decline", "cancel"])
    }))

  it.effect("of an older server is told like the others", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* requestOf("execCommandApproval", { command: ["bash", "-lc", "echo 'a b'"] }), {
        command: String.raw`bash -lc 'echo '\''a b'\'''`,
        availableDecisions: ["accept", "acceptForSession", "decline", "cancel"]
      })
      assert.deepInclude(
        yield* requestOf("applyPatchApproval", {
          fileChanges: {
            "/a": { type: "add", content: "x\n" },
            "/b": { type: "update", unified_diff: "@@", move_path: "/c" },
            "/d": { type: "delete", content: "y\n" }
          }
        }),
        {
          changes: [
            { path: "/a", kind: { type: "add" }, diff: "x\n" },
            { path: "/b", kind: { type: "update", move_path: "/c" }, diff: "@@" },
            { path: "/d", kind: { type: "delete" }, diff: "y\n" }
          ]
        }
      )
    }))
})

describe("decisions", () => {
  it.effect("reach older servers by their names for them", () =>
    Effect.gen(function*() {
      const legacy = (decision: Approvals.CommandDecision) =>
        Effect.flatMap(
          Approvals.make({ command: () => Effect.succeed(decision) }),
          (handlers) => answerTo(handlers, "execCommandApproval")
        )
      assert.deepStrictEqual(yield* legacy("acceptForSession"), { decision: "approved_for_session" })
      assert.deepStrictEqual(yield* legacy("cancel"), { decision: "abort" })
    }))

  it.effect("that amend rules are sent as proposed, and narrowed and reported otherwise", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const decide = (decision: Approvals.CommandDecision, changed: object = {}) =>
        Effect.flatMap(
          Approvals.make({ command: () => Effect.succeed(decision) }),
          (handlers) => answerTo(handlers, "item/commandExecution/requestApproval", changed)
        ).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])))
      const proposed = Approvals.acceptWithExecPolicyAmendment(["ls"])
      assert.deepStrictEqual(yield* decide(proposed), { decision: proposed })
      const network = { host: "example.com", action: "allow" } as const
      assert.deepStrictEqual(
        yield* decide(Approvals.applyNetworkPolicyAmendment(network), { proposedNetworkPolicyAmendments: [network] }),
        { decision: Approvals.applyNetworkPolicyAmendment(network) }
      )
      assert.deepStrictEqual(lines, [])
      assert.deepStrictEqual(yield* decide(Approvals.acceptWithExecPolicyAmendment([])), { decision: "accept" })
      assert.deepStrictEqual(yield* decide(Approvals.applyNetworkPolicyAmendment(network)), { decision: "accept" })
      assert.deepStrictEqual(
        yield* decide(Approvals.applyNetworkPolicyAmendment({ host: "example.com", action: "deny" })),
        { decision: "decline" }
      )
      assert.strictEqual(lines.filter((line) => line.includes("was not proposed")).length, 3)
    }))

  it.effect("of permissions grant what was asked for, a part of it, or nothing", () =>
    Effect.gen(function*() {
      const entry = { path: { type: "path", path: "/var/x" }, access: "write" }
      const permissions = {
        network: null,
        fileSystem: { read: null, write: ["/var/x"], entries: [entry, { path: { type: "dream" }, access: "write" }] }
      }
      const decide = (decision: Approvals.PermissionsDecision) =>
        Effect.flatMap(
          Approvals.make({ permissions: () => Effect.succeed(decision) }),
          (handlers) => answerTo(handlers, "item/permissions/requestApproval", { permissions })
        )
      const granted = { fileSystem: { read: null, write: ["/var/x"], entries: [entry] } }
      assert.deepStrictEqual(yield* decide("accept"), { permissions: granted, scope: "turn" })
      assert.deepStrictEqual(yield* decide("acceptForSession"), { permissions: granted, scope: "session" })
      assert.deepStrictEqual(yield* decide("decline"), { permissions: {}, scope: "turn" })
      const part = { permissions: { network: { enabled: false } }, scope: "session", strictAutoReview: true } as const
      assert.deepStrictEqual(yield* decide(part), part)
    }))
})

const mcpTool = {
  mode: "form",
  message: "Allow it?",
  requestedSchema: { type: "object", properties: {} },
  _meta: {
    codex_approval_kind: "mcp_tool_call",
    tool_name: "change",
    tool_params: { file: "a.txt" },
    persist: ["session"]
  }
}

const deletion = {
  _tag: "McpTool" as const,
  threadId: "t",
  turnId: "t1",
  serverName: "docs",
  environmentId: undefined,
  tool: "delete",
  title: undefined,
  description: undefined,
  arguments: {},
  annotations: null,
  message: "",
  availableDecisions: []
}

describe("a call of an MCP server's tool", () => {
  const elicitation = "mcpServer/elicitation/request"
  const answer = (action: string, _meta: object | null = null) => ({ action, content: null, _meta })

  it.effect("is an approval like the others", () =>
    Effect.gen(function*() {
      const got = yield* Deferred.make<Approvals.McpToolRequest>()
      const handlers = yield* Approvals.make({
        mcpTool: (request) => Effect.as(Deferred.succeed(got, request), "acceptForSession")
      })
      assert.deepStrictEqual(yield* answerTo(handlers, elicitation, mcpTool), answer("accept", { persist: "session" }))
      const { message: _, ...request } = yield* Deferred.await(got)
      assert.deepStrictEqual<unknown>(request, {
        _tag: "McpTool",
        threadId: Fake.threadId,
        turnId: "turn-1",
        serverName: "files",
        environmentId: undefined,
        tool: "change",
        title: undefined,
        description: undefined,
        arguments: { file: "a.txt" },
        annotations: null,
        availableDecisions: ["accept", "acceptForSession", "decline", "cancel"]
      })
      const other = yield* Deferred.make<Approvals.McpToolRequest>()
      const telling = yield* Approvals.make({
        mcpTool: (asked) => Effect.as(Deferred.succeed(other, asked), "decline")
      })
      yield* answerTo(telling, elicitation, { ...mcpTool, environmentId: "staging" })
      assert.strictEqual((yield* Deferred.await(other)).environmentId, "staging")
      assert.deepStrictEqual(yield* answerTo(Approvals.acceptAll, elicitation, mcpTool), answer("accept"))
      assert.deepStrictEqual(yield* answerTo(Approvals.declineAll, elicitation, mcpTool), answer("decline"))
    }))

  it.effect("leaves the other elicitations to their own handler, and comes to it when there is none of its own", () =>
    Effect.gen(function*() {
      const canceling = yield* Elicitation.make(() => Effect.succeed(Elicitation.cancel))
      const both = { ...Approvals.acceptAll, ...canceling }
      assert.deepStrictEqual(yield* answerTo(both, elicitation, mcpTool), answer("accept"))
      assert.deepStrictEqual(yield* answerTo(both, elicitation), answer("cancel"))
      assert.deepStrictEqual(yield* answerTo(canceling, elicitation, mcpTool), answer("cancel"))
      assert.deepStrictEqual(yield* answerTo(Approvals.acceptAll, elicitation), answer("decline"))
      // What has fields is a form, whatever it says of itself.
      const form = { ...mcpTool, requestedSchema: { type: "object", properties: { name: { type: "string" } } } }
      assert.deepStrictEqual(yield* answerTo(both, elicitation, form), answer("cancel"))
    }))
})

describe("the text of a request", () => {
  const asked = { threadId: "t", turnId: "t1", itemId: "i", reason: undefined }
  const command = (
    command: string | undefined,
    more?: Partial<Approvals.CommandRequest>
  ): Approvals.CommandRequest => ({
    ...asked,
    _tag: "Command",
    kind: "command",
    command,
    cwd: "/repository",
    actions: [],
    network: undefined,
    additionalPermissions: undefined,
    proposedExecPolicyAmendment: undefined,
    proposedNetworkPolicyAmendments: [],
    availableDecisions: [],
    ...more
  })

  it("completes the question", () => {
    const files: Approvals.FileChangeRequest = {
      ...asked,
      _tag: "FileChange",
      changes: [
        { path: "a.ts", kind: { type: "add" }, diff: "" },
        { path: "b.ts", kind: { type: "delete" }, diff: "" }
      ],
      grantRoot: undefined,
      availableDecisions: []
    }
    const network = { host: "example.com", protocol: "https" } as const
    const lines = [
      command("/bin/bash -lc 'git push'"),
      command(undefined),
      command("/bin/bash -lc 'curl x'", { network }),
      command("cat", { kind: "writeStdin", cwd: undefined }),
      files,
      { ...files, changes: undefined, grantRoot: "/etc" },
      {
        ...asked,
        _tag: "Permissions" as const,
        cwd: "/repository",
        permissions: { network: { enabled: true }, fileSystem: { read: null, write: ["/var"] } }
      },
      deletion,
      { ...deletion, environmentId: "staging\u001b[2K" }
    ].map(Approvals.describe)
    assert.deepStrictEqual(lines, [
      `run "git push" in /repository`,
      "run a command that codex does not name in /repository",
      `reach example.com (https) with "curl x" in /repository`,
      `write to the running command "cat"`,
      "add a.ts, delete b.ts",
      "change files that codex does not name, and write below /etc from now on",
      "use the network, write /var in /repository",
      "call the tool delete of the MCP server docs",
      String.raw`call the tool delete of the MCP server docs of the environment staging\u{1b}[2K`
    ])
  })

  it("hides nothing and obeys nothing of what the agent says", () => {
    const line = Approvals.describe(command(`/bin/bash -lc 'ls \u001b[2K\rgit status \u202e'`))
    assert.strictEqual(line, String.raw`run "ls \u{1b}[2K\u{d}git status \u{202e}" in /repository`)
    // What matters may stand at its end.
    assert.match(
      Approvals.describe(command(`${"x".repeat(10_000)}; rm -rf /`)),
      /… \(9710 more characters\) …x+; rm -rf \/"/
    )
  })

  it("takes the shell off where the rest is one script, and nowhere else", () => {
    const scripts = [
      ["/bin/bash -lc 'git push'", "git push"],
      ["/usr/bin/zsh -lc ls", "ls"],
      [String.raw`bash -c 'it'\''s'`, "it's"],
      [String.raw`bash -lc "it's \"x\""`, `it's "x"`],
      ["sh -c 'a\nb'", "a\nb"]
    ] as const
    for (const [line, script] of scripts) assert.strictEqual(Approvals.withoutShell(line), script)
    const others = [
      "git push",
      "bash -lc 'a' b",
      "bash -lc a;b",
      `bash -lc "$(a)"`,
      "bash -lc a*",
      "bash -lc 'a",
      "bash -lc",
      "X=1 bash -lc 'a'",
      "./bash -lc 'a'"
    ]
    for (const line of others) assert.strictEqual(Approvals.withoutShell(line), line)
  })
})

describe("the queue", () => {
  const connect = Effect.gen(function*() {
    const context = yield* Layer.build(ApprovalQueue.layer)
    const queue = Context.get(context, ApprovalQueue.ApprovalQueue)
    return { queue, ...yield* Fake.connect({ handlers: queue.handlers }) }
  })

  const send = (server: Fake.FakeServer, ...ids: ReadonlyArray<number>) =>
    server.send(...ids.map((id) => Fake.ask("item/commandExecution/requestApproval", id, { itemId: `call-${id}` })))

  /** What is open, as soon as it is so many. */
  const waiting = (queue: ApprovalQueue.ApprovalQueue["Service"], count: number) =>
    Stream.filter(queue.changes, (open) => open.length === count).pipe(
      Stream.take(1),
      Stream.runCollect,
      Effect.map(([open]) => open ?? [])
    )

  it.effect("tells each request once to each reader, those that wait already first", () =>
    Effect.gen(function*() {
      const { queue, server } = yield* connect
      const read = Stream.runCollect(Stream.take(Stream.map(queue.requests, ({ request }) => itemOf(request)), 3))
      const early = yield* Effect.forkScoped(read)
      yield* send(server, 1, 2)
      const late = yield* Effect.forkScoped(read)
      yield* send(server, 3)
      assert.deepStrictEqual(yield* Fiber.join(early), ["call-1", "call-2", "call-3"])
      assert.deepStrictEqual(yield* Fiber.join(late), ["call-1", "call-2", "call-3"])
    }))

  it.effect("sends the first decision and knows that others come too late", () =>
    Effect.gen(function*() {
      const { queue, server } = yield* connect
      yield* send(server, 1, 2)
      const [first, second] = yield* waiting(queue, 2)
      if (first?._tag !== "Command" || second === undefined) return assert.fail("they are not open")
      assert.isTrue(yield* second.respond("decline"))
      assert.deepInclude(yield* server.next, { id: 2, result: { decision: "decline" } })
      assert.isTrue(yield* first.respond("acceptForSession"))
      assert.deepInclude(yield* server.next, { id: 1, result: { decision: "acceptForSession" } })
      yield* first.closed
      assert.isFalse(yield* first.respond("cancel"))
      assert.deepStrictEqual(yield* waiting(queue, 0), [])
    }))

  it.effect("closes what was resolved elsewhere, and what the connection's end has left", () =>
    Effect.gen(function*() {
      const { queue, server } = yield* connect
      yield* send(server, 1, 2)
      const [first, second] = yield* waiting(queue, 2)
      yield* server.send(Fake.notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: 1 }))
      yield* first!.closed
      assert.isFalse(yield* first!.accept)
      yield* server.close()
      yield* second!.closed
      assert.deepStrictEqual(yield* waiting(queue, 0), [])
    }))

  it.effect("holds every kind, and any takes the common decisions", () =>
    Effect.gen(function*() {
      const { queue, server } = yield* connect
      for (const [id, method] of approvalMethods.entries()) {
        yield* server.send(Fake.ask(method, id))
      }
      const open = yield* waiting(queue, approvalMethods.length)
      assert.deepStrictEqual(open.map(({ _tag }) => _tag), [
        "Command",
        "FileChange",
        "Permissions",
        "Command",
        "FileChange"
      ])
      for (const [id, approval] of open.entries()) {
        yield* approval.respond("accept")
        assert.deepStrictEqual((yield* server.next).result as unknown, accepted[id])
      }
    }))
})

class Policy extends Context.Service<Policy, { readonly allows: boolean }>()("test/Policy") {}

describe("layers", () => {
  it.effect("replace the handlers of a client, with services of the application", () =>
    Effect.gen(function*() {
      const layer = Approvals.layer({
        command: () => Effect.map(Policy, ({ allows }) => allows ? "accept" : "decline")
      })
      // What was not given stays as it was.
      const over = layer.pipe(
        Layer.provideMerge(Approvals.layerAcceptAll),
        Layer.provide(Layer.succeed(Policy, { allows: false }))
      )
      assert.deepStrictEqual(yield* Effect.provide(answersTo({}), over), [
        declined[0],
        accepted[1],
        accepted[2],
        declined[3],
        accepted[4]
      ])
    }))

  it.effect("decide everything alike", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.provide(answersTo({}), Approvals.layerAcceptAll), accepted)
      assert.deepStrictEqual(
        yield* answersTo({}).pipe(Effect.provide(Approvals.layerDeclineAll), Effect.provide(Approvals.layerAcceptAll)),
        declined
      )
      const files = Approvals.layerAcceptWhen(({ _tag }) => Effect.succeed(_tag === "FileChange"))
      assert.deepStrictEqual(yield* Effect.provide(answersTo({}), files), [
        declined[0],
        accepted[1],
        declined[2],
        declined[3],
        accepted[4]
      ])
    }))
})
