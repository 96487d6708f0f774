/** The same programs on `@openai/codex-sdk` and on the drop-in, on the real codex binary with a scripted model. */
import * as CodexExecutable from "@effect-codex/node/CodexExecutable"
import { AppServerExited, CodexExecutableNotFound } from "@effect-codex/promise"
import * as Ours from "@effect-codex/promise/codex-sdk"
import { mcpServer } from "@effect-codex/test-support/files"
import { ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe } from "@effect/vitest"
import * as Sdk from "@openai/codex-sdk"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { json } from "node:stream/consumers"
import { type Context, count, gate, killAll, newMark, real, rejection, run, until } from "./support/real.ts"

const { exec, failed, functionCall, httpFailure, item, reasoning, reply, text } = ScriptedModel

/** What both packages have: this is all that the programs below use. */
interface Package {
  readonly Codex: new(options?: Sdk.CodexOptions) => {
    startThread(options?: Sdk.ThreadOptions): Thread
    resumeThread(id: string, options?: Sdk.ThreadOptions): Thread
  }
}
type Thread = Pick<Sdk.Thread, "id" | "run" | "runStreamed">

type Said = ReadonlyArray<unknown>

interface Program {
  readonly answers: ReadonlyArray<ScriptedModel.Answer> | (() => Promise<ReadonlyArray<ScriptedModel.Answer>>)
  readonly run: (context: {
    readonly codex: InstanceType<Package["Codex"]>
    /** Another one, with these options. */
    readonly another: (options: Sdk.CodexOptions) => InstanceType<Package["Codex"]>
    readonly options: Sdk.ThreadOptions
    readonly home: Context["home"]
    readonly env: Context["env"]
    readonly model: Context["model"]
    /** How many requests there were before. */
    readonly before: number
  }) => Promise<Said>
  readonly codexOptions?: Sdk.CodexOptions
  readonly home?: NonNullable<Parameters<typeof real>[2]>["home"]
}

const events = async (thread: Thread, input: Sdk.Input, options?: Sdk.TurnOptions): Promise<Said> => {
  const said: Array<unknown> = []
  try {
    for await (const event of (await thread.runStreamed(input, options)).events) {
      said.push(event, { id: thread.id })
    }
  } catch (error) {
    said.push(thrown(error))
  }
  return said
}

const thrown = (error: unknown): unknown => {
  if (!(error instanceof Error)) return { thrown: error }
  const { cause, message, name } = error
  // What follows is where codex was in its own program.
  const [words] = message.split("\n\nStack backtrace")
  return {
    thrown: words?.trimEnd(),
    name,
    ..."code" in error && { code: error.code },
    ...name === "AbortError" && { cause }
  }
}

const result = (turn: Promise<Sdk.RunResult>): Promise<unknown> => turn.catch(thrown)

// Ids differ, and so do the times that a patch is given.
const normal = (said: unknown): unknown => {
  const ids = new Map<string, string>()
  return JSON.parse(
    JSON.stringify(said, (_, value: unknown) => value instanceof Error ? { error: value.message } : value).replaceAll(
      /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g,
      (id) => {
        ids.set(id, ids.get(id) ?? `id ${ids.size}`)
        return ids.get(id)!
      }
    )
  )
}

/** What the model was asked, as far as a program decides it. */
const asked = (request: ScriptedModel.ModelRequest) => ({
  model: request.model,
  said: request.userTexts.at(-1),
  outputs: request.toolOutputs.map(({ output }) =>
    String(output).replace(/Wall time: [\d.]+ seconds|Chunk ID: \w+|session ID \d+/g, "")
  ),
  schema: request.outputSchema,
  effort: request.body["reasoning"],
  tools: request.tools,
  permissions: /<permissions instructions>.*?<\/permissions instructions>/s.exec(JSON.stringify(request.input))?.[0],
  images: JSON.stringify(request.input).match(/data:image[^"]*/g),
  originator: request.headers["originator"],
  authorization: request.authorization
})

/**
 * What their package has to be told to start the codex under test: it looks at no CODEX_BIN and would start the installed one, so
 * that two versions were compared. It spawns a path as it is, so the native executable is needed and not the launcher.
 */
const underTest = async (): Promise<Sdk.CodexOptions> => {
  const { executable, source } = await run(Effect.provide(CodexExecutable.find(), NodeServices.layer))
  return source === "CODEX_BIN" ? { codexPathOverride: executable } : {}
}

const same = (name: string, program: Program) =>
  real(name, async ({ env, home, model }) => {
    const both: Array<{ readonly said: unknown; readonly asked: unknown }> = []
    const mark = newMark()
    for (const Codex of [Sdk.Codex, Ours.Codex] satisfies ReadonlyArray<Package["Codex"]>) {
      const before = (await model.requests()).length
      await model.enqueue(...typeof program.answers === "function" ? await program.answers() : program.answers)
      const found = Codex === Sdk.Codex ? await underTest() : {}
      const open = (more: Sdk.CodexOptions = {}) =>
        new Codex({
          env,
          ...more,
          // An empty one is none.
          ...more.codexPathOverride ? {} : found,
          configOverrides: [mark, ...more.configOverrides ?? []]
        })
      const options = { workingDirectory: home.workspace, skipGitRepoCheck: true }
      const said = await program.run({
        codex: open(program.codexOptions),
        another: open,
        options,
        home,
        env,
        model,
        before
      })
      both.push({ said: normal(said), asked: normal((await model.requests()).slice(before).map(asked)) })
      for (const file of ["hello.txt", "y", ".git"]) {
        rmSync(join(home.workspace, file), { recursive: true, force: true })
      }
    }
    // Before its home is taken away.
    await until(() => count(mark) === 0)
    const [theirs, ours] = both
    assert.deepStrictEqual(ours, theirs)
    assert.isAbove(JSON.stringify(theirs).length, 50)
  }, program.home === undefined ? {} : { home: program.home })

/** A model that refuses what it is asked, and keeps who asked. */
const refusing = async () => {
  const asked: Array<unknown> = []
  const server = createServer(async (request, response) => {
    const { access_programs: programs } = Object(await json(request))
    asked.push({
      asked: `${request.method} ${request.url}`,
      authorization: request.headers.authorization,
      programs
    })
    response.writeHead(400).end("{}")
  })
  // With this status codex goes on without the WebSocket at once, instead of trying it again.
  server.on("upgrade", (_, socket) => socket.end("HTTP/1.1 426 Upgrade Required\r\n\r\n"))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const port = typeof address === "object" ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve()))
  }
}

const patch = (body: string) => exec(`apply_patch <<'EOF'\n*** Begin Patch\n${body}\n*** End Patch\nEOF`)
const added = patch("*** Add File: hello.txt\n+hello")

describe("the same program has the same events and results", () => {
  same("messages, reasoning, commands", {
    answers: [
      reply([reasoning(["I look."]), exec("echo hi; exit 3")], { usage: { input: 10, output: 2 } }),
      reply([text(["Hel", "lo."])], { usage: { input: 20, output: 3 } })
    ],
    run: async ({ codex, options }) => events(codex.startThread(options), "Look.")
  })

  same("run", {
    answers: [reply([text("First.", { phase: "commentary" }), text("Second.")], { usage: { input: 20, output: 3 } })],
    run: async ({ codex, options }) => {
      const thread = codex.startThread(options)
      return [thread.id, await result(thread.run("Say two things.")), thread.id]
    }
  })

  same("several turns, and a thread that is resumed", {
    answers: [
      reply(["One."], { usage: { input: 10, output: 1 } }),
      reply(["Two."], { usage: { input: 20, output: 1 } }),
      "Three."
    ],
    run: async ({ codex, options }) => {
      const thread = codex.startThread(options)
      return [
        await events(thread, "1"),
        await events(thread, [{ type: "text", text: "2" }, { type: "text", text: "two" }]),
        await events(codex.resumeThread(thread.id!, options), "3")
      ]
    }
  })

  same("a thread that another client goes on with at once", {
    answers: ["One.", "Two."],
    run: async ({ another, codex, options }) => {
      const thread = codex.startThread(options)
      const first = await events(thread, "1")
      const effort = another({ config: { model_reasoning_effort: "high" } })
      return [first, await events(effort.resumeThread(thread.id!, options), "2")]
    }
  })

  same("a thread that is resumed with other settings, or with none", {
    answers: ["One.", "Two.", "Three.", "Four."],
    run: async ({ codex, home, options }) => {
      const settings = { modelReasoningEffort: "high", sandboxMode: "workspace-write" } as const
      const thread = codex.startThread({ ...options, ...settings, networkAccessEnabled: true })
      const first = await events(thread, "1")
      const id = thread.id!
      return [
        first,
        await events(codex.resumeThread(id, options), "2"),
        await events(codex.resumeThread(id, { ...options, modelReasoningEffort: "low" }), "3"),
        await events(
          codex.resumeThread(id, {
            ...options,
            sandboxMode: "workspace-write",
            additionalDirectories: [join(home.path, "more")]
          }),
          "4"
        )
      ]
    },
    home: { config: { model_reasoning_effort: "medium" } }
  })

  same("a change of files", {
    answers: [
      [added],
      [patch("*** Update File: hello.txt\n@@\n-hello\n+bye")],
      [patch("*** Delete File: hello.txt")],
      "Done."
    ],
    run: async ({ codex, options }) =>
      events(codex.startThread({ ...options, sandboxMode: "workspace-write" }), "Patch.")
  })

  same("a change of files that is not allowed", {
    answers: [[added], "I may not."],
    run: async ({ codex, options }) => events(codex.startThread({ ...options, sandboxMode: "read-only" }), "Patch.")
  })

  same("what goes beyond the sandbox", {
    answers: [
      [exec("touch x", { args: { sandbox_permissions: "require_escalated", justification: "why not" } })],
      "No."
    ],
    run: async ({ codex, options }) => events(codex.startThread(options), "Escalate.")
  })

  for (const approvalPolicy of ["never", "on-request", "on-failure", "untrusted"] as const) {
    same(`an approval policy: ${approvalPolicy}`, {
      answers: [
        [exec("touch x", { args: { sandbox_permissions: "require_escalated", justification: "why not" } })],
        [exec("mkdir y")],
        "Done."
      ],
      run: async ({ codex, options }) =>
        events(codex.startThread({ ...options, approvalPolicy, sandboxMode: "workspace-write" }), "Escalate.")
    })
  }

  same("a plan", {
    answers: [
      [functionCall("update_plan", {
        plan: [{ step: "look", status: "in_progress" }, { step: "act", status: "pending" }]
      })],
      [functionCall("update_plan", {
        plan: [{ step: "look", status: "completed" }, { step: "act", status: "completed" }]
      })],
      "Planned."
    ],
    run: async ({ codex, options }) => events(codex.startThread(options), "Plan."),
    codexOptions: { config: { tools: { update_plan: { enabled: true } } } }
  })

  same("tools of an MCP server", {
    answers: [
      [functionCall("change", { to: 1 }, { namespace: "mcp__asker" })],
      [functionCall("ask", { message: "Name?", requestedSchema: { type: "object", properties: {} } }, {
        namespace: "mcp__asker"
      })],
      "Called."
    ],
    run: async ({ codex, options }) => events(codex.startThread(options), "Call them."),
    home: {
      config: {
        mcp_servers: {
          asker: {
            // Else a turn that begins before it has started has none of its tools.
            required: true,
            command: process.execPath,
            args: [mcpServer],
            tools: { change: { approval_mode: "approve" } }
          }
        }
      }
    }
  })

  same("a tool of an MCP server that needs an approval", {
    answers: [[functionCall("change", { to: 1 }, { namespace: "mcp__asker" })], "Not called."],
    run: async ({ codex, options }) => events(codex.startThread(options), "Call it."),
    home: {
      config: {
        mcp_servers: {
          asker: {
            // Else a turn that begins before it has started has none of its tools.
            required: true,
            command: process.execPath,
            args: [mcpServer],
            default_tools_approval_mode: "prompt"
          }
        }
      }
    }
  })

  same("threads side by side", {
    answers: ["Here.", "Here.", "Here."],
    run: async ({ codex, options }) => {
      // Up to 0.166, one of two processes that create the database of a new home at once goes on without it.
      const alone = await events(codex.startThread(options), "Where?")
      const both = await Promise.all([1, 2].map(() => events(codex.startThread(options), "Where?")))
      return [alone, ...both, both.length]
    }
  })

  same("a command that is left running", {
    answers: [[exec("sleep 30", { args: { yield_time_ms: 250 } })], "It runs."],
    run: async ({ codex, options }) => events(codex.startThread(options), "Start it.")
  })

  same("a search of the web", {
    answers: [
      [
        item({ type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "effect" } }),
        text("Found.")
      ]
    ],
    run: async ({ codex, options }) => events(codex.startThread({ ...options, webSearchMode: "live" }), "Search.")
  })

  same("a structured answer", {
    answers: [`{"n":7}`],
    run: async ({ codex, options }) => [
      await result(
        codex.startThread(options).run("How many?", {
          outputSchema: {
            type: "object",
            properties: { n: { type: "integer" } },
            required: ["n"],
            additionalProperties: false
          }
        })
      )
    ]
  })

  same("an image", {
    answers: ["A dot."],
    run: async ({ codex, home, options }) => {
      const path = join(home.workspace, "..", "dot.png")
      writeFileSync(
        path,
        Buffer.from(
          "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
          "base64"
        )
      )
      return events(codex.startThread(options), [
        { type: "text", text: "What" },
        { type: "local_image", path },
        { type: "text", text: "is it?" }
      ])
    }
  })

  same("a turn that fails", {
    answers: [failed("server_error", "boom"), httpFailure(400, { error: { message: "bad" } })],
    run: async ({ codex, options }) => {
      const thread = codex.startThread(options)
      return [await events(thread, "Fail."), await result(thread.run("Fail again."))]
    }
  })

  same("a connection that is tried again", {
    answers: [httpFailure(503), "There."],
    run: async ({ codex, options }) => events(codex.startThread(options), "Try."),
    home: { requestMaxRetries: 2 }
  })

  same("a stream that is tried again", {
    answers: [ScriptedModel.truncated("end", ["Bro"]), "Whole."],
    run: async ({ codex, options }) => events(codex.startThread(options), "Try."),
    home: { streamMaxRetries: 2 }
  })

  same("an unknown thread", {
    answers: [],
    run: async ({ codex, options }) =>
      events(codex.resumeThread("0199a213-81c0-7800-8aa1-bbab2a035a53", options), "Hello?")
  })

  same("a folder outside of a repository, and in one", {
    answers: ["In it."],
    run: async ({ codex, home, options }) => {
      const workingDirectory = home.workspace
      const outside = await events(codex.startThread({ workingDirectory }), "Where?")
      execFileSync("git", ["init", "-q", workingDirectory])
      return [outside, await events(codex.startThread({ ...options, skipGitRepoCheck: false }), "Where?")]
    }
  })

  same("wrong arguments", {
    answers: [],
    run: async ({ another, codex, options }) => [
      await result(codex.startThread(options).run("x", { outputSchema: [] })),
      await result(codex.startThread(options).run("x", { outputSchema: "object" })),
      // What a program without types can give.
      ...await Promise.all(
        [{ a: { "": 1 } }, { a: [Number.NaN] }, { a: { b: null } }, { a: [() => 1] }, ["a"]].map((config) =>
          result(another({ config: Object(config) }).startThread(options).run("x"))
        )
      )
    ]
  })

  same("a signal that aborts", {
    answers: async () => [[text(["1 "]), await gate()]],
    run: async ({ before, codex, model, options }) => {
      const controller = new AbortController()
      const turn = events(codex.startThread(options), "Count.", { signal: controller.signal })
      await model.received(before + 1)
      controller.abort(new Error("enough"))
      const said = await turn
      // The SDK kills its process: whether it has told of the message before is chance.
      return [said[0], said.at(-1), await model.outcome(before)]
    }
  })

  same("a signal that has aborted", {
    answers: [],
    run: async (
      { codex, options }
    ) => [await result(codex.startThread(options).run("x", { signal: AbortSignal.abort("no") }))]
  })

  same("a reader that leaves", {
    answers: async () => [[text(["1 "]), await gate()], "Again."],
    run: async ({ before, codex, model, options }) => {
      const thread = codex.startThread(options)
      for await (const event of (await thread.runStreamed("Count.")).events) {
        if (event.type !== "turn.started") continue
        await model.received(before + 1)
        break
      }
      return [await model.outcome(before), await result(thread.run("Again."))]
    }
  })

  same("settings of the thread", {
    answers: ["Set.", "Set.", "Set."],
    run: async ({ codex, home, options }) => [
      await events(
        codex.startThread({
          ...options,
          model: "other-model",
          modelReasoningEffort: "high",
          sandboxMode: "workspace-write",
          networkAccessEnabled: true,
          webSearchMode: "disabled",
          additionalDirectories: [join(home.path, "more")],
          threadSource: "test"
        }),
        "Set."
      ),
      await events(
        codex.startThread({ ...options, sandboxMode: "danger-full-access", webSearchEnabled: true }),
        "Set."
      ),
      await events(codex.startThread({ ...options, webSearchMode: "cached" }), "Set.")
    ]
  })

  same("another address of OpenAI, and its cyber access programs", {
    answers: [],
    run: async ({ another, options }) => {
      await using openAI = await refusing()
      const codex = another({ baseUrl: openAI.url, apiKey: "sk-same", config: { model_provider: "openai" } })
      const thread = codex.startThread(options)
      const said: Array<unknown> = []
      const programs = ["standard", "daybreak_blue", "daybreak_red", undefined] as const
      for (const cyberAccessProgram of programs) {
        const told = await events(thread, "Hello?", cyberAccessProgram && { cyberAccessProgram })
        // What is thrown ends with what codex wrote to its log.
        said.push(...told.slice(0, -1))
      }
      const asked = programs.map((cyber) => ({
        asked: "POST /v1/responses",
        authorization: "Bearer sk-same",
        programs: cyber && { cyber }
      }))
      assert.deepStrictEqual(openAI.asked, asked)
      return said
    }
  })

  same("settings of the program", {
    answers: ["Configured."],
    run: async ({ codex, options }) => events(codex.startThread(options), "Configured?"),
    codexOptions: {
      apiKey: "sk-same",
      config: { model_reasoning_effort: "low", sandbox_workspace_write: { network_access: true } },
      configOverrides: [`sandbox_mode="workspace-write"`]
    },
    home: { config: { model_providers: { scripted: { requires_openai_auth: true } } } }
  })

  same("settings that are empty, as secrets of a pipeline that are not set", {
    answers: ["None.", "That of the environment."],
    run: async ({ another, env, options }) => {
      const empty = { apiKey: "", baseUrl: "", codexPathOverride: "" }
      const none = another({ ...empty, env: { ...env, CODEX_API_KEY: "", CODEX_INTERNAL_ORIGINATOR_OVERRIDE: "" } })
      const other = another({ ...empty, env: { ...env, CODEX_API_KEY: "sk-same" } })
      return [
        await events(none.startThread({ ...options, model: "" }), "Which key?"),
        await events(other.startThread(options), "Which key?")
      ]
    },
    home: { config: { model_providers: { scripted: { requires_openai_auth: true } } } }
  })

  same("a configuration with something to warn of", {
    answers: ["Warned.", "Again."],
    run: async ({ codex, options }) => {
      const thread = codex.startThread(options)
      return [await events(thread, "1"), await events(thread, "2")]
    },
    codexOptions: { config: { experimental_instructions_file: "nowhere.md" } }
  })
})

describe("the drop-in", () => {
  const options = (home: Context["home"]) => ({ workingDirectory: home.workspace, skipGitRepoCheck: true })

  real(
    "shares a server among threads and clients with the same options, and ends it when nobody uses it",
    async ({ env, home, model }) => {
      const mark = newMark()
      const clients = [1, 2].map(() => new Ours.Codex({ env, configOverrides: [mark] }))
      const hold = await gate()
      await model.enqueue([hold, text(["One."])], [hold, text(["Two."])])
      const running = clients.map((codex) => codex.startThread(options(home)).run("Go."))
      await model.received(2)
      assert.strictEqual(count(mark), 1)
      await run(hold.release)
      await Promise.all(running)
      await until(() => count(mark) === 0)
      await model.enqueue("Three.")
      assert.strictEqual((await clients[0]!.startThread(options(home)).run("Go.")).finalResponse, "Three.")
      await until(() => count(mark) === 0)
    }
  )

  real("says how its server ended, and starts another one", async ({ env, home, model }) => {
    const mark = newMark()
    const codex = new Ours.Codex({ env, configOverrides: [mark] })
    const thread = codex.startThread(options(home))
    await model.enqueue("One.")
    await thread.run("1")
    await model.enqueue([await gate()])
    const turn = thread.run("2")
    await model.received(2)
    killAll(mark)
    const error = await turn.catch((error: Error) => error)
    assert.match(error instanceof Error ? error.message : "", /^Codex Exec exited with signal SIGKILL/)
    assert.instanceOf(error instanceof Error ? error.cause : undefined, AppServerExited)
    await model.enqueue("Three.")
    assert.strictEqual((await thread.run("3")).finalResponse, "Three.")
    await until(() => count(mark) === 0)
  })

  real("names an image that is missing, and an override that is no TOML", async ({ env, home, model }) => {
    const mark = newMark()
    const failing = async (codex: Ours.Codex, input: Sdk.Input) => {
      const error = await codex.startThread(options(home)).run(input).catch((error: unknown) => error)
      return error instanceof Error ? error.message : ""
    }
    const none = join(home.workspace, "none.png")
    const codex = new Ours.Codex({ env, configOverrides: [mark] })
    assert.include(await failing(codex, [{ type: "local_image", path: none }]), `${none} does not exist`)
    const wrong = new Ours.Codex({ env, configOverrides: [mark, `notify=["C:\\x"]`] })
    assert.include(await failing(wrong, "Go."), "the override of notify: the value is not valid TOML")
    assert.deepStrictEqual(await model.requests(), [])
    await until(() => count(mark) === 0)
  })

  real("resumes with the model of the options, else of the configuration", async ({ env, home, model }) => {
    const mark = newMark()
    const codex = new Ours.Codex({ env, configOverrides: [mark] })
    await model.enqueue("One.", "Two.", "Three.")
    const thread = codex.startThread({ ...options(home), model: "first" })
    await thread.run("1")
    await codex.resumeThread(thread.id!, { ...options(home), model: "second" }).run("2")
    await codex.resumeThread(thread.id!, options(home)).run("3")
    const models = (await model.requests()).map(({ model }) => model)
    assert.deepStrictEqual(models, ["first", "second", "scripted-model"])
    await until(() => count(mark) === 0)
  })

  real("runs the turns of a thread one after the other", async ({ env, home, model }) => {
    const mark = newMark()
    const thread = new Ours.Codex({ env, configOverrides: [mark] }).startThread(options(home))
    await model.enqueue("One.", "Two.", "Three.")
    await thread.run("1")
    const both = await Promise.all([thread.run("2"), thread.run("3")])
    assert.sameMembers(both.map(({ finalResponse }) => finalResponse), ["Two.", "Three."])
    await until(() => count(mark) === 0)
  })

  real("ends a turn whose end was lost, as the server has stored it", async ({ env, home, model }) => {
    const { executable } = await run(Effect.provide(CodexExecutable.find(), NodeServices.layer))
    const proxy = join(home.path, "proxy")
    writeFileSync(
      proxy,
      `#!${process.execPath}
const { spawn } = require("node:child_process")
const codex = spawn(${JSON.stringify(executable)}, process.argv.slice(2), { stdio: ["pipe", "pipe", "inherit"] })
process.stdin.pipe(codex.stdin)
require("node:readline").createInterface({ input: codex.stdout }).on("line", (line) => {
  if (!line.includes('"turn/completed"')) process.stdout.write(line + "\\n")
})
codex.on("exit", (code) => process.exit(code ?? 1))
`,
      { mode: 0o755 }
    )
    const codex = new Ours.Codex({ env, codexPathOverride: proxy })
    await model.enqueue("One.")
    assert.strictEqual((await codex.startThread(options(home)).run("1")).finalResponse, "One.")
  })

  real("without a binary rejects the turn, and says where it looked", async ({ env, home }) => {
    const codex = new Ours.Codex({ env, codexPathOverride: join(home.path, "nowhere") })
    const error = await rejection(codex.startThread(options(home)).run("Hello?"))
    if (!(error instanceof Error) || !(error.cause instanceof CodexExecutableNotFound)) {
      return assert.fail(String(error))
    }
    assert.include(error.message, error.cause.message)
    assert.include(error.message, join(home.path, "nowhere"))
  })
})
