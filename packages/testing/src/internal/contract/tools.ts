/** Cases about commands, patches and dynamic tools, with their approvals. */
import * as ApprovalMode from "@effect-codex/client/ApprovalMode"
import * as Approvals from "@effect-codex/client/Approvals"
import * as Codex from "@effect-codex/client/Codex"
import * as Sandbox from "@effect-codex/client/Sandbox"
import * as ServerRequests from "@effect-codex/client/ServerRequests"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as ScriptedModel from "../../ScriptedModel.ts"
import { type Case, Wire } from "./model.ts"
import {
  answering,
  ended,
  enqueue,
  equal,
  fact,
  mark,
  refusal,
  request,
  runTurn,
  startThread,
  startTurn,
  story,
  told
} from "./story.ts"

const asking: Sent.ThreadStartParams = { sandbox: "workspace-write", approvalPolicy: "untrusted" }

const command = (decision: Sent.CommandExecutionApprovalDecision) =>
  answering({ "item/commandExecution/requestApproval": () => Effect.succeed({ decision }) })

const fileChange = (decision: Sent.FileChangeApprovalDecision) =>
  answering({ "item/fileChange/requestApproval": () => Effect.succeed({ decision }) })

const patch = (name: string) =>
  ScriptedModel.exec(`apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: ${name}\n+hello\n*** End Patch\nEOF`)

const ran = (output: string, exitCode = 0) =>
  `Chunk ID: N\nWall time: T seconds\nProcess exited with code ${exitCode}\n` +
  `Original token count: ${Math.ceil(output.length / 4)}\nOutput:\n${output}`

const tool = (name: string) => ({
  type: "function" as const,
  name,
  description: "Looks something up.",
  inputSchema: { type: "object", properties: { id: { type: "string" } } }
})

const lookup: Sent.ThreadStartParams = { dynamicTools: [tool("lookup")] }

const tickets: Sent.ThreadStartParams = {
  dynamicTools: [{ type: "namespace", name: "tickets", description: "Tickets.", tools: [tool("close")] }]
}

const curious: Sent.ThreadStartParams = { config: { "features.default_mode_request_user_input": true } }

const question = ScriptedModel.functionCall("request_user_input", {
  questions: [{
    id: "colour",
    header: "Colour",
    question: "Which one?",
    options: [{ label: "blue", description: "As the sky." }, { label: "red", description: "As a rose." }]
  }]
})

const permissive: Sent.ThreadStartParams = { config: { "features.request_permissions_tool": true } }

const permissions = (permissions: Schema.JsonObject, reason?: string) =>
  ScriptedModel.functionCall("request_permissions", { permissions, ...(reason === undefined ? {} : { reason }) })

const granting = (permissions: Sent.GrantedPermissionProfile, scope: Sent.PermissionGrantScope) =>
  answering({ "item/permissions/requestApproval": () => Effect.succeed({ permissions, scope }) })

const none = `{"permissions":{"network":null,"file_system":null},"scope":"turn"}`

const called = (answer: ServerRequests.Overrides["item/tool/call"], expected: string) =>
  Effect.gen(function*() {
    yield* answering({ "item/tool/call": answer })
    yield* enqueue(ScriptedModel.functionCall("lookup", { id: "A" }), "done")
    yield* runTurn(yield* startThread(lookup))
    yield* equal("what the model is told", yield* told, [expected])
  })

/** A handler that never answers, and a Deferred that completes when it is called. */
const parked = Effect.map(
  Deferred.make<void>(),
  (asked) => ({ asked: Deferred.await(asked), park: Effect.andThen(Deferred.succeed(asked, undefined), Effect.never) })
)

export const cases: ReadonlyArray<Case> = [
  story(
    "command: runs without being asked for, after a commentary",
    Effect.gen(function*() {
      yield* enqueue(
        [ScriptedModel.text("look", { phase: "commentary" }), ScriptedModel.exec("echo hi", { callId: "call-1" })],
        "done"
      )
      yield* runTurn(yield* startThread({ sandbox: "read-only", approvalPolicy: "on-request" }))
      yield* equal("what the model is told", yield* told, [ran("hi\n")])
    })
  ),

  fact(
    "command: two of one response, one of which fails",
    Effect.gen(function*() {
      yield* enqueue([ScriptedModel.exec("echo a; exit 3"), ScriptedModel.exec("echo b")], "done")
      const codex = yield* Codex.Codex
      const { items } = yield* (yield* codex.startThread()).run("go")
      yield* equal("what the model is told", yield* told, [ran("a\n", 3), ran("b\n")])
      // The commands run at the same time, so their order is not fixed.
      const commands = items.flatMap((item) =>
        item.type === "commandExecution" ? [`${item.command} ${item.status} ${item.exitCode}`] : []
      )
      yield* equal("the items", commands.toSorted(), [
        "/bin/bash -lc 'echo a; exit 3' failed 3",
        "/bin/bash -lc 'echo b' completed 0"
      ])
    })
  ),

  story(
    "command: a tool that is not there is told to the model alone",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.functionCall("no_such_tool", { a: 1 }), "done")
      yield* runTurn(yield* startThread())
      yield* equal("what the model is told", yield* told, ["unsupported call: no_such_tool"])
    })
  ),

  story(
    "command: what wants out of the sandbox where nobody is asked is refused",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.exec("touch x", { args: { sandbox_permissions: "require_escalated", justification: "please" } }),
        "done"
      )
      yield* runTurn(yield* startThread({ approvalPolicy: "never" }))
      yield* equal("what the model is told", yield* told, [
        "approval policy is Never; reject command — you cannot ask for escalated permissions if the approval policy is Never"
      ])
    })
  ),

  story(
    "approval: accept runs the command",
    Effect.gen(function*() {
      yield* command("accept")
      yield* enqueue(ScriptedModel.exec("touch accepted && echo hi"), "done")
      yield* runTurn(yield* startThread(asking))
      yield* equal("what the model is told", yield* told, [ran("hi\n")])
    })
  ),

  story(
    "approval: acceptForSession is not asked for again in the thread",
    Effect.gen(function*() {
      yield* command("acceptForSession")
      yield* enqueue(ScriptedModel.exec("touch session"), "done", ScriptedModel.exec("touch session"), "done")
      const threadId = yield* startThread(asking)
      yield* runTurn(threadId)
      yield* runTurn(threadId)
    })
  ),

  story(
    "approval: a prefix that is allowed is not asked for in any thread",
    Effect.gen(function*() {
      yield* command({ acceptWithExecpolicyAmendment: { execpolicy_amendment: ["mkdir", "-p"] } })
      yield* enqueue(ScriptedModel.exec("mkdir -p one"), "done", ScriptedModel.exec("mkdir -p two"), "done")
      yield* runTurn(yield* startThread(asking))
      yield* runTurn(yield* startThread(asking))
    })
  ),

  story(
    "approval: decline is told to the model, and the turn goes on",
    Effect.gen(function*() {
      yield* command("decline")
      yield* enqueue(ScriptedModel.exec("touch declined"), "done")
      yield* runTurn(yield* startThread(asking))
      yield* equal("what the model is told", yield* told, [
        `exec_command failed: CreateProcess { message: "Rejected(\\"rejected by user\\")" }`
      ])
    })
  ),

  story(
    "approval: cancel interrupts the turn",
    Effect.gen(function*() {
      yield* command("cancel")
      yield* enqueue(ScriptedModel.exec("touch cancelled"))
      yield* runTurn(yield* startThread(asking))
    })
  ),

  story(
    "approval: an error in place of an answer fails the command, and the turn goes on",
    Effect.gen(function*() {
      yield* answering({
        "item/commandExecution/requestApproval": () => Effect.fail(new ServerRequests.Refusal({ message: "no" }))
      })
      yield* enqueue(ScriptedModel.exec("touch refused"), "done")
      yield* runTurn(yield* startThread(asking))
      yield* equal("what the model is told", yield* told, [
        `exec_command failed: CreateProcess { message: "Rejected(\\"approval request failed\\")" }`
      ])
    })
  ),

  fact(
    "approval, question and tool: an answer of another shape is none, and the turn goes on",
    Effect.gen(function*() {
      const cases: ReadonlyArray<
        readonly [
          method: string,
          call: ScriptedModel.Answer,
          told: string,
          status: string | undefined
        ]
      > = [
        [
          "item/commandExecution/requestApproval",
          ScriptedModel.exec("touch odd"),
          `exec_command failed: CreateProcess { message: "Rejected(\\"approval request failed\\")" }`,
          "failed"
        ],
        ["item/fileChange/requestApproval", patch("odd.txt"), "approval request failed", "declined"],
        ["item/tool/requestUserInput", question, `{"answers":{}}`, undefined],
        ["item/permissions/requestApproval", permissions({ network: { enabled: true } }), none, undefined],
        [
          "item/tool/call",
          ScriptedModel.functionCall("lookup", { id: "A" }),
          "dynamic tool response was invalid",
          "failed"
        ]
      ]
      const threadId = yield* startThread({
        ...lookup,
        sandbox: "read-only",
        approvalPolicy: "untrusted",
        config: { ...curious.config, ...permissive.config }
      })
      for (const [method, call, expected, status] of cases) {
        for (const answer of [{ decision: "perhaps" }, null]) {
          const given = answering({ raw: { [method]: () => Effect.succeed(answer) } })
          const since = yield* mark
          yield* enqueue(call, "done")
          yield* Effect.scoped(Effect.andThen(given, runTurn(threadId)))
          yield* equal(`what the model is told after an odd answer to ${method}`, (yield* told).at(-1), expected)
          const statuses = (yield* (yield* Wire).frames).slice(since).flatMap(({ message: { method, params } }) =>
            method === "item/completed" && Predicate.hasProperty(params, "item") &&
              Predicate.hasProperty(params.item, "status")
              ? [params.item.status]
              : []
          )
          yield* equal(`how an item ends after an odd answer to ${method}`, statuses[0], status)
        }
      }
    })
  ),

  fact(
    "approval: a command that cannot do harm is asked for too when it wants out of the sandbox",
    Effect.gen(function*() {
      yield* command("decline")
      const escalated = { args: { sandbox_permissions: "require_escalated", justification: "Shall I?" } }
      yield* enqueue(["echo hi", "ls", "true"].map((cmd) => ScriptedModel.exec(cmd, escalated)), "done")
      yield* runTurn(yield* startThread({ sandbox: "read-only", approvalPolicy: "on-request" }))
      yield* equal("how they ended", (yield* told).map((output) => output.includes("rejected by user")), [
        true,
        true,
        true
      ])
    })
  ),

  story(
    "approval: a command that wants out of the sandbox says why",
    Effect.gen(function*() {
      yield* command("decline")
      yield* enqueue(
        ScriptedModel.exec("chmod u+x x", {
          args: { sandbox_permissions: "require_escalated", justification: "Shall I?" }
        }),
        "done"
      )
      yield* runTurn(yield* startThread({ sandbox: "read-only", approvalPolicy: "on-request" }))
    })
  ),

  story(
    "approval: an interruption while one waits resolves it, and its command never completes",
    Effect.gen(function*() {
      const { asked, park } = yield* parked
      yield* answering({ "item/commandExecution/requestApproval": () => park })
      yield* enqueue(ScriptedModel.exec("touch interrupted"))
      const threadId = yield* startThread(asking)
      const turnId = yield* startTurn(threadId)
      yield* asked
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
    })
  ),

  story(
    "approval: is asked again, under its id, of who resumes the thread",
    Effect.gen(function*() {
      const { asked, park } = yield* parked
      yield* answering({ "item/commandExecution/requestApproval": () => park })
      yield* enqueue(ScriptedModel.exec("touch resumed"))
      const threadId = yield* startThread(asking)
      const turnId = yield* startTurn(threadId)
      yield* asked
      yield* request("thread/resume", { threadId, excludeTurns: true })
      yield* request("thread/read", { threadId })
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
    })
  ),

  story(
    "patch: accept shows the change and the diff of the turn",
    Effect.gen(function*() {
      yield* fileChange("accept")
      yield* enqueue(patch("accepted.txt"), "done")
      yield* runTurn(yield* startThread(asking))
      yield* equal("what the model is told", yield* told, [
        "Wall time: T seconds\nOutput:\nExit code: 0\nWall time: T seconds\nOutput:\n" +
        "Success. Updated the following files:\nA accepted.txt\n"
      ])
    })
  ),

  story(
    "patch: decline is told to the model, and the turn goes on",
    Effect.gen(function*() {
      yield* fileChange("decline")
      yield* enqueue(patch("declined.txt"), "done")
      yield* runTurn(yield* startThread(asking))
      yield* equal("what the model is told", yield* told, ["patch rejected by user"])
    })
  ),

  story(
    "patch: cancel interrupts the turn",
    Effect.gen(function*() {
      yield* fileChange("cancel")
      yield* enqueue(patch("cancelled.txt"))
      yield* runTurn(yield* startThread(asking))
    })
  ),

  story(
    "patch: is applied without being asked for where the workspace may be written",
    Effect.gen(function*() {
      yield* enqueue(patch("written.txt"), "done")
      yield* runTurn(yield* startThread({ sandbox: "workspace-write", approvalPolicy: "on-request" }))
    })
  ),

  story(
    "patch: is asked for where nothing may be written",
    Effect.gen(function*() {
      yield* fileChange("decline")
      yield* enqueue(patch("read-only.txt"), "done")
      yield* runTurn(yield* startThread({ sandbox: "read-only", approvalPolicy: "on-request" }))
    })
  ),

  story(
    "tool: a call is answered by the client, and the model is told",
    called(
      () => Effect.succeed({ success: true, contentItems: [{ type: "inputText", text: "found" }] }),
      "found"
    )
  ),

  story(
    "tool: a call without success, with two items",
    called(
      () =>
        Effect.succeed({
          success: false,
          contentItems: [{ type: "inputText", text: "a" }, { type: "inputText", text: "b" }]
        }),
      `[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]`
    )
  ),

  story(
    "tool: an error in place of an answer",
    called(
      () => Effect.fail(new ServerRequests.Refusal({ message: "no" })),
      "dynamic tool request failed"
    )
  ),

  story(
    "tool: an interruption while a call waits fails the call",
    Effect.gen(function*() {
      const { asked, park } = yield* parked
      yield* answering({ "item/tool/call": () => park })
      yield* enqueue(ScriptedModel.functionCall("lookup", { id: "A" }))
      const threadId = yield* startThread(lookup)
      const turnId = yield* startTurn(threadId)
      yield* asked
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
    })
  ),

  story(
    "tool: a call in a namespace",
    Effect.gen(function*() {
      yield* answering({
        "item/tool/call": ({ params: { namespace, tool } }) =>
          Effect.succeed({ success: true, contentItems: [{ type: "inputText", text: `${namespace} ${tool}` }] })
      })
      yield* enqueue(ScriptedModel.functionCall("close", { id: "A" }, { namespace: "tickets" }), "done")
      yield* runTurn(yield* startThread(tickets))
      yield* equal("what the model is told", yield* told, ["tickets close"])
    })
  ),

  fact(
    "tool: what there is not is told to the model alone, with its namespace before it",
    Effect.gen(function*() {
      const calls = [
        ScriptedModel.functionCall("nope", {}, { namespace: "tickets" }),
        ScriptedModel.functionCall("close", {}),
        ScriptedModel.functionCall("exec_command", { cmd: "echo" }, { namespace: "other" }),
        ...["update_plan", "apply_patch", "shell", "spawn_agent", "request_permissions"].map((name) =>
          ScriptedModel.functionCall(name, {})
        )
      ]
      yield* enqueue(calls, "done")
      yield* runTurn(yield* startThread(tickets))
      yield* equal(
        "what the model is told",
        yield* told,
        [
          "ticketsnope",
          "close",
          "otherexec_command",
          "update_plan",
          "apply_patch",
          "shell",
          "spawn_agent",
          "request_permissions"
        ].map((name) => `unsupported call: ${name}`)
      )
    })
  ),

  story(
    "question: is answered by the client, and the model is told",
    Effect.gen(function*() {
      yield* answering({
        "item/tool/requestUserInput": ({ params: { questions } }) =>
          Effect.succeed({
            answers: Object.fromEntries(questions.map(({ id }) => [id, { answers: ["blue", "or so"] }]))
          })
      })
      yield* enqueue(question, "done")
      yield* runTurn(yield* startThread(curious))
      yield* equal("what the model is told", yield* told, [`{"answers":{"colour":{"answers":["blue","or so"]}}}`])
    })
  ),

  story(
    "question: an error in place of an answer is no answer",
    Effect.gen(function*() {
      yield* answering({
        "item/tool/requestUserInput": () => Effect.fail(new ServerRequests.Refusal({ message: "no" }))
      })
      yield* enqueue(question, "done")
      yield* runTurn(yield* startThread(curious))
      yield* equal("what the model is told", yield* told, [`{"answers":{}}`])
    })
  ),

  story(
    "question: an interruption while one waits resolves it",
    Effect.gen(function*() {
      const { asked, park } = yield* parked
      yield* answering({ "item/tool/requestUserInput": () => park })
      yield* enqueue(question)
      const threadId = yield* startThread(curious)
      const turnId = yield* startTurn(threadId)
      yield* asked
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
    })
  ),

  fact(
    "question: is not asked without options, or where questions are not switched on",
    Effect.gen(function*() {
      yield* enqueue(question, "done")
      yield* runTurn(yield* startThread())
      yield* equal("not switched on", yield* told, ["request_user_input is unavailable in Default mode"])
      const bare = { id: "colour", header: "Colour", question: "Which?" }
      yield* enqueue(
        [
          ScriptedModel.functionCall("request_user_input", { questions: [bare] }),
          ScriptedModel.functionCall("request_user_input", { questions: [{ ...bare, options: [] }] })
        ],
        "done"
      )
      yield* runTurn(yield* startThread(curious))
      const without = "request_user_input requires non-empty options for every question"
      yield* equal("without options", yield* told, [without, without])
    })
  ),

  story(
    "permissions: what is granted is told to the model",
    Effect.gen(function*() {
      yield* granting({ network: { enabled: true } }, "turn")
      yield* enqueue(permissions({ network: { enabled: true } }, "To look it up."), "done")
      yield* runTurn(yield* startThread(permissive))
      yield* equal("what the model is told", yield* told, [
        `{"permissions":{"network":{"enabled":true},"file_system":null},"scope":"turn"}`
      ])
    })
  ),

  fact(
    "permissions: of files, some of which are granted, for the session",
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      yield* answering({
        "item/permissions/requestApproval": ({ params: { permissions, reason } }) =>
          Effect.sync(() => {
            seen.push([permissions, reason])
            return {
              permissions: { fileSystem: { read: ["/one"], write: ["/other", "/third"] } },
              scope: "session" as const
            }
          })
      })
      yield* enqueue(permissions({ file_system: { read: ["/one", "/two"], write: ["/other"] } }), "done")
      yield* runTurn(yield* startThread(permissive))
      const entry = (path: string, access: string) => ({ path: { type: "path", path }, access })
      yield* equal("what is asked for", seen, [[{
        network: null,
        fileSystem: {
          read: ["/one", "/two"],
          write: ["/other"],
          entries: [entry("/one", "read"), entry("/two", "read"), entry("/other", "write")]
        }
      }, null]])
      yield* equal("what the model is told", yield* told, [
        `{"permissions":{"network":null,"file_system":{"read":["/one"],"write":["/other"]}},"scope":"session"}`
      ])
      const granted = Effect.fnUntraced(function*(
        asked: Schema.JsonObject,
        answer: Sent.GrantedPermissionProfile
      ) {
        yield* granting(answer, "turn")
        yield* enqueue(permissions(asked), "done")
        yield* runTurn(yield* startThread(permissive))
        return (yield* told).join()
      })
      const files = (files: string) => `{"permissions":{"network":null,"file_system":${files}},"scope":"turn"}`
      yield* equal(
        "in part",
        [
          yield* granted({ file_system: { read: ["/one"], write: ["/other"] } }, {
            fileSystem: { read: ["/one"], write: null }
          }),
          yield* granted({ file_system: { write: ["/other"] } }, { fileSystem: { read: null, write: ["/other"] } }),
          yield* granted({ file_system: { write: ["/other"] } }, { fileSystem: { read: null, write: ["/else"] } }),
          yield* granted({ network: { enabled: false } }, { network: { enabled: false } })
        ],
        [files(`{"read":["/one"]}`), files(`{"write":["/other"]}`), files("null"), files("null")]
      )
    })
  ),

  story(
    "permissions: an error in place of an answer grants none",
    Effect.gen(function*() {
      yield* answering({
        "item/permissions/requestApproval": () => Effect.fail(new ServerRequests.Refusal({ message: "no" }))
      })
      yield* enqueue(permissions({ network: { enabled: true } }), "done")
      yield* runTurn(yield* startThread(permissive))
      yield* equal("what the model is told", yield* told, [none])
    })
  ),

  story(
    "permissions: an interruption while a request for them waits resolves it",
    Effect.gen(function*() {
      const { asked, park } = yield* parked
      yield* answering({ "item/permissions/requestApproval": () => park })
      yield* enqueue(permissions({ network: { enabled: true } }))
      const threadId = yield* startThread(permissive)
      const turnId = yield* startTurn(threadId)
      yield* asked
      yield* request("turn/interrupt", { threadId, turnId })
      yield* ended(turnId)
    })
  ),

  fact(
    "permissions: are not asked for where nobody is asked, and none are no request",
    Effect.gen(function*() {
      yield* enqueue(permissions({ network: { enabled: true } }), "done")
      yield* runTurn(yield* startThread({ ...permissive, approvalPolicy: "never" }))
      yield* equal("nobody", yield* told, [none])
      yield* enqueue(
        [
          permissions({}),
          permissions({ file_system: {} }),
          ScriptedModel.functionCall("request_permissions", {})
        ],
        "done"
      )
      yield* runTurn(yield* startThread(permissive))
      const nothing = "request_permissions requires at least one permission"
      yield* equal("none", yield* told, [
        nothing,
        nothing,
        "failed to parse function arguments: missing field `permissions`"
      ])
    })
  ),

  fact(
    "tool: names that the server does not take",
    Effect.gen(function*() {
      const names = (...names: ReadonlyArray<string>) => refusal(startThread({ dynamicTools: names.map(tool) }))
      yield* equal(
        "a space",
        yield* names("a b"),
        "-32600 dynamic tool name must match ^[a-zA-Z0-9_-]+$ to match Responses API: a b"
      )
      yield* equal("nothing", yield* names(""), "-32600 dynamic tool name must not be empty")
      yield* equal("twice", yield* names("a", "a"), "-32600 duplicate dynamic tool name: a")
    })
  ),

  fact(
    "client: an approval that nobody handles is declined, and the turn goes on",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.exec("touch unhandled"), "so be it")
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.untrusted })
      const { items } = yield* thread.run("go")
      yield* equal(
        "the command",
        items.flatMap((item) => item.type === "commandExecution" ? [item.status] : []),
        ["declined"]
      )
    })
  ),

  fact(
    "client: the handlers of a thread see the command and its reason",
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const handlers = yield* Approvals.make({
        command: ({ command, cwd, reason }) =>
          Effect.sync(() => {
            seen.push([command, cwd !== undefined, reason])
            return "accept" as const
          })
      })
      yield* enqueue(
        ScriptedModel.exec("touch seen", {
          args: { sandbox_permissions: "require_escalated", justification: "Shall I?" }
        }),
        "done"
      )
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread({ handlers, sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.ask })
      yield* thread.run("go")
      yield* equal("what the handler saw", seen, [["/bin/bash -lc 'touch seen'", true, "Shall I?"]])
    })
  )
]
