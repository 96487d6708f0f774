/**
 * What each example of the documentation prints, by the page and the heading that it is under. `docs.real.test.ts` runs them in the
 * workspace, and `.ci/check-packages.ts` those of some pages on the installed packages.
 */
import { type CodexHome, ScriptedModel } from "@effect-codex/testing"
import { Effect, type Scope } from "effect"
import * as Assert from "node:assert/strict"
import { type Collector, pathOf } from "./collector.ts"

export interface Expectation {
  /** What the model answers, request by request. All of them have to be asked for. */
  readonly answers: ReadonlyArray<ScriptedModel.ScriptedAnswer>
  /** Further answers, which may be asked for. */
  readonly optional?: ReadonlyArray<ScriptedModel.ScriptedAnswer>
  /** An Effect that needs the client and succeeds with what is printed. Default: the example is a program itself. */
  readonly effect?: string
  readonly prints: string
  /** Whether the example's own layer, `CodexLive`, provides the client. */
  readonly live?: boolean
  /** Variables of its environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Starts the app-server that it connects to, and gives the variables that lead there. */
  readonly server?: Effect.Effect<Readonly<Record<string, string>>, unknown, CodexHome.CodexHome | Scope.Scope>
  /** Whether it logs in through the browser. */
  readonly browser?: true
  /** What it sends to an OpenTelemetry collector. */
  readonly collected?: (collector: Collector) => void
  /** What the example leaves in its folder. */
  readonly files?: ReadonlyArray<string>
}

const { exec, failed, functionCall, httpFailure, spawnAgent, text } = ScriptedModel
const endless = Effect.runSync(Effect.map(ScriptedModel.gate, (gate) => text(["1\n", gate])))
// It may well be allowed, and is to leave nothing behind.
const escalated = exec("true", {
  args: { sandbox_permissions: "require_escalated", justification: "why not" }
})

const patch = (name: string) =>
  exec(`apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: ${name}\n+hello\n*** End Patch\nEOF`)

const status = "Effect.map(example.program, ({ status }) => status)"

const called = `Effect.map(example.program, ({ items }) =>
  items.find(({ type }) => type === "dynamicToolCall").contentItems.map(({ imageUrl, text }) => text ?? imageUrl).join())`

const onThread = (name: string) =>
  `Effect.flatMap(Effect.flatMap(Codex.Codex, (codex) => codex.startThread()), example.${name})`

/** Runs an example as the steps of a workflow, and something else beside it. */
const inWorkflow = (steps: string, beside = "Effect.void") =>
  `Effect.gen(function*() {
  const { Workflow, WorkflowEngine } = yield* Effect.promise(() => import("effect/workflow"))
  const { CodexSession, CodexWorkflow, Decisions } = yield* Effect.promise(() => import("@effect-codex/cluster"))
  const Example = Workflow.make("Example", { error: CodexWorkflow.CodexFailed, idempotencyKey: () => "1", payload: {} })
  let answer
  const ExampleLive = Example.toLayer(() => Effect.map(${steps}, (steps) => { answer = steps }))
  yield* Effect.all([Example.execute({}), ${beside}], { concurrency: 2 }).pipe(
    Effect.provide(Layer.provideMerge(ExampleLive, Layer.mergeAll(
      WorkflowEngine.layerMemory, CodexSession.layerLocal, Decisions.layerMemory
    )))
  )
  return answer
})`

// The server tells the account only where the model's provider wants a login.
export const openAI: CodexHome.Options = { config: { model_providers: { scripted: { requires_openai_auth: true } } } }

const part = (claims: object) => Buffer.from(JSON.stringify(claims)).toString("base64url")
const jwt = `${part({ alg: "none" })}.${part({ email: "a@example.com" })}.${part({})}`

// An agent and its subagent ask the model at the same time: the prompt tells which one it is.
const counted = (request: ScriptedModel.ModelRequest): ScriptedModel.Answer => {
  if (request.prompt === "Count the files.") return "Three."
  return request.toolOutputs.length === 0 ? spawnAgent("Count the files.") : "There are three files."
}

const afterCounting = (then: string) =>
  `Effect.scoped(Effect.gen(function*() {
    const { Option, Stream } = yield* Effect.promise(() => import("effect"))
    const thread = yield* (yield* Codex.Codex).startThread()
    const turn = yield* thread.turn("How many files are there? Let somebody else count.")
    ${then}
  }))`

export const expectations: Record<string, Expectation> = {
  "control: Subagents (1)": {
    answers: [counted, counted, counted],
    prints: "Count the files. completed: Three.\nThere are three files."
  },
  "control: Subagents (2)": {
    answers: [counted, counted, counted],
    // Its tree is read to its end, by which the agent may have asked once more.
    optional: [counted],
    effect: afterCounting(`const last = Option.getOrThrow(yield* Stream.runLast(turn.subagentTree))
    return example.draw(last.map((node) => ({ ...node, nickname: Option.some("Ada") }))).trim()`),
    prints: "Ada completed, 0 tokens"
  },
  "control: Subagents (3)": {
    answers: [counted, counted, counted],
    effect: afterCounting(`yield* Stream.runDrain(turn.subagents)
    const [node] = yield* example.subagentsOf(thread.id)
    return node.prompt.value`),
    prints: "Count the files."
  },
  "control: Ask without leaving a trace (1)": {
    answers: ["Fixed.", "A failing test is fixed"],
    effect: "example.program",
    prints: "A failing test is fixed"
  },
  "control: A queue that lasts (1)": {
    answers: ["Fixed.", "Updated."],
    effect: "Effect.map(example.program, ({ value }) => value)",
    prints: "Updated."
  },
  "control: A queue that lasts (2)": {
    answers: [endless, "Updated.", "Released."],
    effect: `Effect.scoped(Effect.gen(function*() {
      const { Stream } = yield* Effect.promise(() => import("effect"))
      const thread = yield* (yield* Codex.Codex).startThread()
      const turn = yield* thread.turn("Fix the failing test.")
      yield* thread.queue.add("Then update the changelog.")
      yield* thread.queue.add("Then release it.")
      yield* Stream.runHead(turn.text)
      // The queue rests after an interrupted turn, as it does in another process.
      yield* turn.interrupt
      yield* turn.result
      const results = yield* example.goOn(thread.id)
      return results.map(({ finalResponse }) => finalResponse.value).join(" ")
    }))`,
    prints: "Updated. Released."
  },
  "checkpoints: Track a turn, and go back (1)": {
    answers: [exec("echo hello > greeting.txt"), "Done."],
    effect: "example.program",
    prints: "added greeting.txt +1 -0\ndeleted greeting.txt"
  },
  "checkpoints: Without Effect (1)": {
    answers: [exec("echo hello > greeting.txt"), "Done."],
    prints: "greeting.txt +1"
  },
  "checkpoints: Tests (1)": { answers: [], effect: "example.program", prints: "It changed nothing." },
  "checkpoints: Space, and what it costs (1)": {
    answers: [],
    effect: `Effect.provide(example.tidy, Checkpoints.layer({ folder: ".", directory: "../checkpoints" }).pipe(
      Layer.provide(NodeServices.layer)
    ))`,
    prints: "0"
  },
  "cluster: Workflows (1)": {
    answers: ["A library.", `{"findings":[{"file":"a.ts","problem":"no tests"}]}`],
    effect: "example.program",
    prints: "a.ts: no tests",
    files: ["pipeline.sqlite", "pipeline.sqlite.lock"]
  },
  "cluster: Workflows (2)": {
    answers: [failed("server_is_overloaded", "busy"), "Fixed."],
    effect: inWorkflow(
      `Effect.map(Effect.flatMap(CodexWorkflow.thread("one"), example.fix), ({ answer }) => answer.value)`
    ),
    prints: "Fixed."
  },
  "cluster: Workflows (3)": {
    answers: [exec("git tag v1"), exec("git tag v1"), "Tagged."],
    effect: inWorkflow(
      `example.release("1")`,
      `Decisions.pending.pipe(
        Effect.delay("20 millis"),
        Effect.repeat({ until: (pending) => pending.length > 0 }),
        Effect.flatMap(([{ id, summary }]) => Effect.as(Decisions.decide(id, { allow: true }), summary)),
        Effect.repeat({ until: (summary) => summary === "publish version 1" })
      )`
    ),
    prints: "published"
  },
  "cluster: Workflows (4)": {
    answers: [],
    effect: `Effect.flatMap(example.list, (list) =>
      Effect.map(Effect.flip(example.decide("nothing", true)), ({ _tag }) => list + _tag))`,
    prints: "DecisionNotFound",
    files: ["pipeline.sqlite"]
  },
  "cluster: Threads as entities (1)": {
    answers: ["No findings."],
    prints: "ran No findings.",
    files: ["codex.sqlite", "codex.sqlite.lock"]
  },
  "cluster: Threads as entities (2)": {
    answers: [exec("git push"), "Not pushed."],
    effect: `Effect.gen(function*() {
      const { CodexCluster, CodexSession, CodexThread } = yield* Effect.promise(() => import("@effect-codex/cluster"))
      const { ApprovalMode } = yield* Effect.promise(() => import("@effect-codex/client"))
      const settings = { approvalMode: ApprovalMode.untrusted }
      const threads = CodexThread.layer({ approvals: "client", settings }).pipe(
        Layer.provideMerge(CodexCluster.layerSqlite({ filename: "codex.sqlite" })),
        Layer.provide(CodexSession.layerLocal)
      )
      return yield* Effect.gen(function*() {
        const thread = yield* CodexThread.client("my-repository")
        const running = thread.run("push-1", "Push it.")
        const { finalResponse } = yield* Effect.raceFirst(running, Effect.andThen(example.decide("my-repository", () => false), Effect.never))
        return finalResponse.value
      }).pipe(Effect.provide(threads))
    })`,
    prints: "Not pushed.",
    files: ["codex.sqlite", "codex.sqlite.lock"]
  },
  "getting-started: 3. Run your first turn (1)": { answers: ["Hello!"], prints: "Hello!" },
  "getting-started: 4. Choose what the agent may touch (1)": {
    answers: ["Fixed.", "Fine."],
    effect: status,
    prints: "completed"
  },
  "getting-started: 4. Choose what the agent may touch (2)": {
    answers: [escalated, "I may not."],
    effect: `Effect.provide(
      Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread({ approvalMode: ApprovalMode.ask })
        const { items } = yield* thread.run("Touch it.")
        return items.find(({ type }) => type === "commandExecution").status
      }),
      example.CodexLive
    )`,
    prints: "May I run COMMAND?\ndeclined"
  },
  "getting-started: 5. Go on with the conversation (1)": {
    answers: ["A lot.", "Much."],
    effect: status,
    prints: "completed"
  },
  "getting-started: 6. Watch a turn (1)": {
    answers: ["None."],
    effect: status,
    prints: "userMessage\nagentMessage\nNone.\ncompleted"
  },
  "getting-started: 7. Steer and interrupt (1)": {
    answers: [endless, endless],
    effect: "example.program",
    prints: "interrupted"
  },
  "getting-started: 7. Steer and interrupt (2)": {
    answers: ["Fixed."],
    effect: `Effect.gen(function*() {
      return (yield* example.within(yield* (yield* Codex.Codex).startThread())).status
    })`,
    prints: "completed"
  },
  "getting-started: 8. Get a typed answer (1)": {
    answers: [
      `{ "value": [{ "file": "a.ts", "line": 1, "severity": "low" }, { "file": "b.ts", "line": 2, "severity": "high" }] }`
    ],
    effect: "Effect.map(example.findings, (findings) => findings.map(({ file }) => file).join())",
    prints: "b.ts"
  },
  "getting-started: 9. Handle errors (1)": { answers: ["Hello!"], effect: status, prints: "completed" },
  "getting-started: 10. Resume a thread (1)": {
    answers: ["Here.", "There."],
    effect: `Effect.gen(function*() {
      const thread = yield* (yield* Codex.Codex).startThread()
      yield* thread.run("Stop.")
      const { finalResponse } = yield* example.goOn(thread.id)
      return finalResponse.value + (yield* example.recent).length
    })`,
    prints: "There.1"
  },
  "getting-started: 10. Resume a thread (2)": {
    answers: ["Red."],
    effect: `Effect.gen(function*() {
      yield* (yield* (yield* Codex.Codex).startThread()).run("Paint it red.")
      yield* example.search("a word that nobody said")
      return "searched"
    })`,
    prints: "[]\nsearched"
  },
  "getting-started: 11. Types (1)": {
    answers: [exec("true"), "Done."],
    effect: `Effect.gen(function*() {
      return example.commands(yield* (yield* (yield* Codex.Codex).startThread()).run("Do nothing.")).length
    })`,
    prints: "1"
  },
  "getting-started: 11. Types (2)": {
    answers: [],
    effect: "Effect.map(example.loadedThreads, (threads) => threads.length)",
    prints: "0"
  },
  "getting-started: 11. Types (3)": {
    answers: [],
    effect: "Effect.map(Effect.flip(example.dream), ({ _tag }) => _tag)",
    prints: "dream 2\nRpcError"
  },
  "getting-started: 12. Without Effect (1)": {
    answers: [exec("ls"), text(["Not", "hing."])],
    prints: "Nothing.\ncompleted"
  },
  "getting-started: 13. Keep one client when modules are reloaded (1)": { answers: [], prints: "" },
  "promise: 1. Run a turn (1)": { answers: ["Hello!"], prints: "Hello!" },
  "promise: 2. Watch a turn (1)": { answers: ["None."], prints: "userMessage\nagentMessage\nNone.\ncompleted" },
  "promise: 3. Steer, interrupt, abort (1)": {
    // Codex asks the model anew when it is steered; whether it comes to that before the interrupt is open.
    answers: [endless, endless],
    optional: [endless],
    prints: "interrupted\nTimeoutError"
  },
  "promise: 4. Answer what codex asks (1)": {
    answers: [escalated, "I may not.", escalated, "I may."],
    prints: "declined: why not"
  },
  "promise: 4. Answer what codex asks (2)": {
    answers: [escalated, "I may."],
    prints: "accepted: Command"
  },
  "promise: 5. Give it tools (1)": {
    answers: [functionCall("lookup_ticket", { id: "T-17" }), "It is open."],
    prints: "It is open."
  },
  "promise: 6. Get a typed answer (1)": { answers: [`{ "lines": ["x"] }`, `{ "lines": [3, 7] }`], prints: "3,7" },
  "promise: 7. Handle errors (1)": {
    answers: [ScriptedModel.httpFailure(500)],
    prints: "overloaded true\nTurnFailed 1"
  },
  "promise: 8. Go on later (1)": { answers: ["Yes.", "7."], prints: "7.\nRemember the number 7." },
  "promise: 9. Accounts (1)": { answers: [], env: { OPENAI_API_KEY: "sk-docs" }, prints: "apiKey" },
  "promise: 10. Reload without leaving servers behind (1)": { answers: [], prints: "" },
  "from-codex-sdk: Coming from @openai/codex-sdk (1)": { answers: ["Fixed."], prints: "Fixed." },
  "from-codex-sdk: What becomes possible (1)": {
    answers: [patch("README.md"), "Fixed."],
    prints: "Fixed.",
    files: ["README.md"]
  },
  "resilience: 1. Start codex again when it ends (1)": {
    answers: ["Seven.", endless, "Done."],
    effect: "Effect.map(example.program, ({ finalResponse }) => finalResponse.value)",
    live: true,
    prints: "Done."
  },
  "resilience: 2. Give up on a turn that is silent (1)": {
    answers: ["Fixed."],
    effect: "Effect.map(example.patient, ({ status }) => status)",
    prints: "completed"
  },
  "resilience: 3. Retry what is safe (1)": {
    answers: ["Updated."],
    effect: "Effect.map(example.overnight, ({ status }) => status)",
    prints: "completed"
  },
  "resilience: 6. Was it begun? (1)": {
    // The second time no model is asked.
    answers: ["No findings."],
    effect: "Effect.map(example.program, ({ finalResponse, status }) => `${status}: ${finalResponse.value}`)",
    prints: "completed: No findings."
  },
  "report: Make the page of a run (1)": {
    answers: ["Hello."],
    prints: "completed: see run.html",
    files: ["run.html"]
  },
  "report: Make the page of a stored thread (1)": {
    answers: ["Hello."],
    prints: "1 turn in session.html",
    files: ["session.html"]
  },
  "watch: Serve it (1)": {
    answers: ["1", "2"],
    effect: `Effect.gen(function*() {
  const { Watch } = yield* Effect.promise(() => import("@effect-codex/report"))
  const { Redacted } = yield* Effect.promise(() => import("effect"))
  const results = yield* example.program
  const { url } = yield* Watch.Watch
  const page = yield* Effect.promise(async () => (await fetch(Redacted.value(url))).text())
  return [...results.map(({ status }) => status), /What is a fiber\\?/.test(page), /2 threads/.test(page)].join()
})`,
    live: true,
    prints: "completed,completed,true,true"
  },
  "scaling: 4. Many processes (1)": {
    answers: ["1", "2", "3", "4"],
    effect: "Effect.map(example.program, (told) => JSON.stringify(told))",
    live: true,
    prints: `{"answers":["completed","completed","completed","completed"],"threads":[2,2]}`
  },
  "scaling: 5. Tenants (1)": {
    answers: ["Nothing yet."],
    effect: `Effect.suspend(() => {
      const fs = process.getBuiltinModule("node:fs")
      fs.mkdirSync("tenants/tenant-acme/codex", { recursive: true })
      fs.copyFileSync(process.env.CODEX_HOME + "/config.toml", "tenants/tenant-acme/codex/config.toml")
      return Effect.scoped(example.program)
    })`,
    prints: "Nothing yet.",
    files: ["tenants"]
  },
  "scaling: 1. Limit the loaded threads (1)": {
    answers: ["One.", "Two.", "Three.", "Four.", "The word is one."],
    effect: "Effect.map(example.program, ({ result, status }) => [status.type, result.finalResponse.value].join())",
    live: true,
    prints: "notLoaded,The word is one."
  },
  "control: Hooks in your program (1)": {
    answers: [exec("git push"), exec("true"), "Fixed, not pushed.", "Tested."],
    effect: "Effect.map(example.program, ({ finalResponse }) => finalResponse.value)",
    live: true,
    prints: `runs Bash {"command":"true"}\nTested.`
  },
  "approvals: 1. Decide by a rule (1)": {
    answers: [patch("README.md"), "Fixed."],
    effect: status,
    live: true,
    prints: "completed",
    files: ["README.md"]
  },
  "approvals: 2. Decide by kind (1)": {
    answers: [escalated, patch("a.txt"), "Done."],
    effect: `Effect.gen(function*() {
      const thread = yield* (yield* Codex.Codex).startThread({
        approvalMode: ApprovalMode.untrusted,
        sandbox: Sandbox.workspaceWrite
      })
      const { items } = yield* thread.run("Do it.")
      return items.flatMap(({ status, type }) => status === undefined ? [] : [type + " " + status]).join()
    })`,
    live: true,
    prints: "declined: COMMAND (why not)\naccepted: 1 files\ncommandExecution declined,fileChange completed",
    files: ["a.txt"]
  },
  "approvals: 3. Decide for one thread or one turn (1)": {
    answers: [patch("summary.txt"), "Written.", patch("more.txt"), "I may not."],
    effect: "Effect.map(example.program, ({ items }) => items.find(({ type }) => type === 'fileChange').status)",
    prints: "declined",
    files: ["summary.txt"]
  },
  "approvals: 4. Ask a person (1)": {
    answers: [
      exec("mkdir folder", { args: { sandbox_permissions: "require_escalated", justification: "why not" } }),
      "Done."
    ],
    effect: status,
    live: true,
    prints: "May I run \"mkdir folder\" in FOLDER?\ncompleted",
    files: ["folder"]
  },
  "approvals: 5. Answer questions (1)": {
    answers: [
      functionCall("request_user_input", {
        questions: [{
          id: "colour",
          header: "Colour",
          question: "Which?",
          options: [{ label: "Blue", description: "As the sky." }, { label: "Red", description: "As a rose." }]
        }]
      }),
      "Blue."
    ],
    effect: "Effect.map(example.program, ({ finalResponse }) => finalResponse.value)",
    live: true,
    prints: "Blue."
  },
  "approvals: 6. Answer MCP servers (1)": { answers: ["There is none."], effect: status, prints: "completed" },
  "control: Plan first, then implement (1)": {
    answers: [
      functionCall("request_user_input", {
        questions: [{
          id: "colour",
          header: "Colour",
          question: "Which?",
          options: [{ label: "green", description: "As grass." }, { label: "Red", description: "As a rose." }]
        }]
      }),
      text(["<proposed_plan>\n# Paint it green\n", "</proposed_plan>\n"]),
      "Painted."
    ],
    effect: "example.program",
    prints: "# Paint it green\n\nPainted."
  },
  "control: Plan first, then implement (2)": {
    answers: ["Done.", "None."],
    effect: `Effect.map(
      Effect.flatMap(
        Effect.flatMap(Codex.Codex, (codex) => codex.startThread()),
        (thread) => example.implementAfresh(thread, "# Paint it")
      ),
      ({ finalResponse }) => finalResponse.value
    )`,
    prints: "None."
  },
  "tools: Tools of your program (1)": {
    answers: [functionCall("lookup_ticket", { id: "T-17" }), "It is open."],
    effect: called,
    prints: `{"id":"T-17","title":"The door squeaks","open":true}`
  },
  "tools: What the model reads (1)": {
    answers: [functionCall("look", {}), "A door."],
    effect: called,
    prints: "This is the door.,data:image/png;base64,iVBORw0KGgo="
  },
  "tools: Tools for subagents, and tools that change (1)": {
    answers: [
      functionCall("find", { id: "T-17" }, { namespace: "mcp__tickets" }),
      "It squeaks.",
      functionCall("close", { id: "T-17" }, { namespace: "mcp__tickets" }),
      "Closed."
    ],
    effect: `Effect.map(example.program, ({ items }) =>
      items.find(({ type }) => type === "mcpToolCall").result.content.map(({ text }) => text).join())`,
    prints: "T-17 is closed."
  },
  "views: Watch a thread (1)": {
    answers: [exec("true"), "Hello!"],
    effect: "example.program",
    prints: "> Say hello. | $ /bin/bash -lc true: 0 | Hello!"
  },
  "views: Look at a thread that is stored (1)": {
    answers: ["Hello!"],
    effect: "example.program",
    prints: "completed: 2 items in 1 turn"
  },
  "ai: codex as a language model (1)": {
    answers: ["It runs codex."],
    effect: "example.program",
    prints: "It runs codex."
  },
  "ai: A chat has a thread (1)": {
    answers: ["One.", "Fixed."],
    effect: "example.program",
    prints: "Fixed. (the same thread)"
  },
  "ai: Tools of your program (1)": {
    answers: [functionCall("ticket", { id: "T-17" }), "It is open."],
    effect: "example.program",
    prints: `It is open. [{"title":"The door squeaks","open":true}]`
  },
  "ai: Tools of your program (2)": {
    answers: [functionCall("close", { id: "T-18" }), "I may not."],
    effect: "example.program",
    prints: `[{"type":"execution-denied","reason":"close is allowed for T-17 alone."}]`
  },
  "ai: What codex does itself (1)": {
    answers: [exec("ls"), "No."],
    effect: "example.program",
    prints: "1 commands and patches: No."
  },
  "ai: Objects (1)": {
    answers: [`{"findings":[{"file":"a.ts"}]} and more`, `{"findings":[{"file":"a.ts","line":null}]}`],
    effect: "example.program",
    prints: "a.ts"
  },
  "ai: Settings for some calls (1)": {
    answers: ["Fine.", "Not so fine."],
    effect: "example.program",
    prints: "Fine. Not so fine."
  },
  "ai: Failures and retries (1)": {
    answers: [httpFailure(500, "try later"), "Fixed."],
    effect: "example.program",
    prints: "Fixed."
  },
  "ai: Failures and retries (2)": {
    answers: [httpFailure(500, "try later"), httpFailure(500, "try later")],
    effect: "example.program",
    prints: "Hello from another provider."
  },
  "ai: Tests (1)": { answers: [], effect: "example.program", prints: "You said Hello." },
  "auth: Accounts and logins (1)": { answers: [], effect: "example.program", prints: "log in first" },
  "auth: With an API key (1)": {
    answers: [],
    effect: "example.program",
    live: true,
    env: { OPENAI_API_KEY: "sk-docs" },
    prints: "apiKey"
  },
  "auth: With ChatGPT (1)": {
    answers: [],
    effect: "example.program",
    browser: true,
    prints: "Open ISSUER\nnobody came"
  },
  "auth: With tokens of your own (1)": {
    answers: [],
    effect: "example.program",
    live: true,
    env: { CHATGPT_ACCESS_TOKEN: jwt, CHATGPT_ACCOUNT_ID: "ws-1" },
    prints: "logged out"
  },
  "workspace: Files and commands of the server (1)": {
    answers: [],
    effect: "example.program",
    prints: "notes.txt: buy milk"
  },
  "workspace: Files (1)": { answers: [], effect: "example.program", prints: "there is none: notFound" },
  "workspace: Changes of files (1)": { answers: [], effect: "example.program", prints: "all passed" },
  "workspace: Search (1)": { answers: [], effect: "example.program", prints: "src/Workspace.ts" },
  "workspace: Run a command (1)": { answers: [], effect: "example.program", prints: "apple\npear" },
  "workspace: Talk with a command (1)": { answers: [], effect: "example.program", prints: "42, 6 (0)" },
  "workspace: Talk with a command (2)": { answers: [], effect: "example.program", prints: "go, 20 80" },
  "workspace: Tests (1)": { answers: [], effect: "example.program", prints: "all passed, true" },
  "configuration: The configuration of the server (1)": {
    answers: [],
    effect: "example.program",
    prints: "high, from user"
  },
  "configuration: Configure one process (1)": {
    answers: ["Hello!"],
    effect: "Effect.map(example.program, ({ finalResponse }) => finalResponse.value)",
    live: true,
    prints: "Hello!"
  },
  "configuration: Change it (1)": { answers: [], effect: "example.program", prints: "low" },
  "configuration: Tests (1)": { answers: [], effect: "example.program", prints: "high, conflict" },
  "extensions: MCP servers of a thread (1)": {
    answers: [],
    effect: "example.program",
    prints: "docs: No such file or directory (os error 2)"
  },
  "extensions: Skills (1)": { answers: [], effect: "example.program", prints: "greet, 1 error" },
  "extensions: Tests (1)": {
    answers: [],
    effect: "example.program",
    prints: `review: [{"type":"text","text":"found"}]`
  },
  "observability: Send it to a collector (1)": {
    answers: ["Hello!"],
    effect: "example.program",
    live: true,
    prints: "Hello!",
    collected: (collector) => {
      const spans = collector.spans()
      Assert.ok(spans.some((span) => pathOf(spans, span).join(" > ") === "Thread.run > Turn"), collector.text())
      Assert.ok(collector.metrics().has("effect_codex_turns"), collector.text())
      // The client is built and closed inside the telemetry.
      Assert.ok(spans.some(({ name }) => name === "AppServerRpc.initialize"), collector.text())
    }
  },
  "observability: Metrics (1)": {
    answers: ["Hello!", httpFailure(500, "try later")],
    effect: "example.program",
    prints: "1 completed, 1 failed"
  },
  "observability: Odd things (1)": {
    answers: [],
    effect: "example.program",
    prints: "nobody waits for the reply to request 2"
  },
  "observability: Odd things (2)": {
    answers: [],
    effect: `Effect.map(${onThread("missing")}, (names) => names.length + " missing")`,
    prints: "0 missing"
  },
  "AGENTS: 1. Make one client and provide it at the edge (1)": { answers: ["Hello."], prints: "Hello." },
  "AGENTS: 2. Say what the agent may touch (1)": {
    answers: [escalated, "I may not."],
    effect: `Effect.map(example.fix, ({ items }) => items.find(({ type }) => type === "commandExecution").status)`,
    live: true,
    prints: "declined"
  },
  "AGENTS: 3. Handle failures by their tag (1)": { answers: ["Fixed."], effect: onThread("steps"), prints: "2" },
  "AGENTS: 4. Stop an agent by interrupting the fiber (1)": {
    answers: ["Fixed."],
    effect: `Effect.map(${onThread("bounded")}, ({ status }) => status)`,
    prints: "completed"
  },
  "AGENTS: 5. Watch a turn in a scope (1)": {
    answers: ["Nothing."],
    effect: `Effect.map(${onThread("watch")}, ({ status }) => status)`,
    prints: "Nothing.\ncompleted"
  },
  "AGENTS: 6. Ask for data with a schema (1)": {
    answers: [`{ "value": [{ "file": "a.ts", "line": 1 }, { "file": "b.ts", "line": null }] }`],
    effect: `Effect.map(${onThread("findings")}, (findings) => findings.map(({ file }) => file).join())`,
    prints: "a.ts"
  },
  "AGENTS: 7. Give the agent functions as tools (1)": {
    answers: [functionCall("weather", { city: "Bern" }), "Yes."],
    effect: called.replace("program", "ask"),
    prints: "It rains in Bern."
  },
  "AGENTS: 8. Run one turn at a time on a thread, and threads side by side (1)": {
    answers: ["Updated."],
    effect: "Effect.map(example.update([process.cwd()]), ([{ status }]) => status)",
    prints: "completed"
  },
  "AGENTS: 9. Set the sandbox and the approval mode on the handle that runs (1)": {
    answers: ["Written.", "Reviewed."],
    effect: `Effect.gen(function*() {
      const thread = yield* (yield* Codex.Codex).startThread({ sandbox: Sandbox.workspaceWrite })
      yield* thread.run("Change it.")
      return (yield* example.review(thread.id)).status
    })`,
    prints: "completed"
  },
  "control: Change a running turn (1)": {
    answers: ["It is in the cache."],
    effect: "Effect.map(example.program, ({ model }) => model.value)",
    prints: "gpt-5.6-sol"
  },
  "control: What a turn carries (1)": {
    answers: ["In 25 minutes."],
    effect: status,
    prints: "completed"
  },
  "control: What a turn took (1)": {
    answers: [ScriptedModel.reply(["Done."], { usage: { input: 232_560 } }), "A summary."],
    effect: `Effect.map(example.program, ({ full, timing }) =>
      [full.value, timing.value.firstToken._tag, Object.keys(timing.value).join()].join(" "))`,
    prints: "0.9 Some firstToken,model,tools"
  },
  "control: What a turn took (2)": {
    answers: [ScriptedModel.reply([exec("true")], { usage: { input: 900, output: 100 } }), endless],
    effect: "Effect.map(example.program, ({ status, usage }) => `${status} ${usage.value.turn.totalTokens}`)",
    prints: "interrupted 1000"
  },
  "AGENTS: 10. Retry only what is safe, and look before you run again (1)": {
    answers: ["Updated."],
    effect: `Effect.gen(function*() {
      const thread = yield* (yield* Codex.Codex).startThread()
      yield* thread.run("Update the dependencies.")
      return yield* example.goOn(thread.id)
    })`,
    prints: "done before"
  },
  "AGENTS: 11. Test without a model, and keep secrets redacted (1)": {
    answers: [],
    effect: "Effect.map(example.test, (types) => types.join())",
    prints: "userMessage,commandExecution,agentMessage"
  },
  "control: Limit what a run may cost (1)": {
    answers: ["A library.", "Somebody."],
    effect: "example.program",
    prints: "A library., Somebody., refused: no modelCalls left, 2"
  },
  "control: Limit what a run may cost (2)": {
    answers: [ScriptedModel.reply(["Fixed."], { usage: { input: 400_000, cached: 200_000, output: 1500 } })],
    effect: "example.program",
    prints: "$0.29"
  }
}

/** The program that runs an example which is none itself. */
export const main = ({ effect, live }: Expectation) =>
  `import { ApprovalMode, Checkpoints, Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer } from "effect"
import * as example from "./example.mjs"

Effect.flatMap(${effect}, Console.log).pipe(Effect.provide(${
    live === true ? "example.CodexLive" : "CodexNode.layer()"
  }), NodeRuntime.runMain)
`
