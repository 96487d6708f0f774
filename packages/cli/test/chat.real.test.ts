/** `effect-codex chat`, on the real binary and a pseudo-terminal. */
import { mcpServer } from "@effect-codex/test-support/files"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Chat from "./support/chat.ts"
import * as Cli from "./support/cli.ts"

const timeout = 120_000

const { ctrlC, ctrlD, ctrlU, enter, pasteEnd, pasteStart, up } = Chat.keys

const echo = ({ prompt }: ScriptedModel.ModelRequest): string => `You said ${prompt}.`

const escalated = (command: string) =>
  ScriptedModel.exec(command, { args: { sandbox_permissions: "require_escalated", justification: "Please." } })

describe.runIf(Cli.hasTerminals)("effect-codex chat", () => {
  it.live("talks in turns, remembers, and says how to go on", () =>
    Effect.gen(function*() {
      const { ended, has, home, model, send, type } = yield* Chat.start({ answer: echo })
      yield* send("first")
      yield* has("done in")
      yield* send("second")
      yield* has("done in", 2)
      assert.includeMembers([...(yield* model.requests).at(-1)!.userTexts], ["first", "second"])
      yield* type(ctrlD)
      const { code, rows, stdout } = yield* ended
      assert.strictEqual(code, 0)
      const said = rows.filter((row) => !/^warning:|^ {2}/.test(row)).map((row) => row.replace(/ in [\d.]+s/, ""))
      assert.deepStrictEqual(said.slice(0, -2), [
        "~ · /help lists what you can do, Ctrl-D leaves",
        "",
        "> first",
        "You said first.",
        "done by scripted-model",
        "",
        "> second",
        "You said second.",
        "done by scripted-model"
      ])
      const id = /^thread ([\da-f-]{36}), go on with: effect-codex chat --resume \1$/.exec(said.at(-2)!)![1]!
      assert.include(stdout, Chat.pastesOff)
      assert.deepStrictEqual(Cli.processesOf(home), [])

      // The thread goes on, and the person can go back to what was said.
      const again = yield* Chat.start({ answer: echo }, { home, args: ["--resume", id.slice(0, 13)] })
      assert.include(yield* again.has("\r\u001b[2K> "), "first")
      yield* again.type(`${up}${up}!`)
      yield* again.has("> first!")
      yield* again.type(ctrlC)
      yield* again.type(ctrlC)
      assert.strictEqual((yield* again.ended).code, 0)
    }).pipe(Cli.live), timeout)

  it.live("steers a turn that runs", () =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      const { ended, has, model, send, type } = yield* Chat.start({
        answers: [ScriptedModel.text(["I go straight on.", gate, "\n"]), "I turned left."]
      })
      yield* send("go")
      yield* gate.reached
      yield* has("type to steer")
      yield* type("turn left")
      yield* has("steer> turn left")
      yield* type(enter)
      yield* has("steer> turn left\r\n")
      yield* gate.release
      yield* has("I turned left.")
      yield* has("done in")
      yield* type(ctrlD)
      const { rows } = yield* ended
      assert.lengthOf(rows.filter((row) => row.startsWith("done in")), 1)
      assert.includeMembers([...(yield* model.requests).at(-1)!.userTexts], ["go", "turn left"])
    }).pipe(Cli.live), timeout)

  it.live("interrupts with Ctrl-C, and leaves with the second", () =>
    Effect.gen(function*() {
      const gates = [yield* ScriptedModel.gate, yield* ScriptedModel.gate] as const
      const { ended, has, home, send, type } = yield* Chat.start({
        answers: [
          ScriptedModel.text(["One ", gates[0]]),
          ScriptedModel.text("Here I am."),
          [ScriptedModel.exec("sleep 1000")]
        ]
      })
      yield* send("go")
      yield* gates[0].reached
      yield* has("type to steer")
      yield* type(ctrlC)
      yield* has("Interrupted. Say how to go on.")
      yield* send("still there?")
      yield* has("Here I am.")
      yield* has("done in")
      yield* send("sleep")
      yield* has("running `sleep 1000`")
      yield* type(ctrlC + ctrlC)
      const { code, rows, stdout } = yield* ended
      assert.strictEqual(code, 130)
      assert.include(rows, "Interrupting the turn. Ctrl-C again leaves.")
      assert.match(rows.at(-2)!, /^thread .*, go on with: /)
      assert.include(stdout, Chat.pastesOff)
      assert.deepStrictEqual(Cli.processesOf(home), [])
    }).pipe(Cli.live), timeout)

  it.live("asks for approvals, which no paste can give", () =>
    Effect.gen(function*() {
      const { ended, has, home, send, type, until } = yield* Chat.start({
        answers: [escalated("touch made.txt"), "It is there.", escalated("touch more.txt"), "never"]
      })
      yield* send("make it")
      yield* has("Allow it?")
      yield* type(`${pasteStart}y\ry${pasteEnd}`)
      yield* until("y", "  Accepted.")
      yield* has("It is there.")
      yield* has("done in")
      yield* type(ctrlU)
      yield* send("more")
      yield* has("Allow it?", 2)
      yield* type(ctrlC)
      yield* has("Interrupted. Say how to go on.")
      yield* type(ctrlU + ctrlD)
      const { rows } = yield* ended
      const from = rows.indexOf("The agent wants to run:")
      assert.deepStrictEqual(rows.slice(from, from + 6), [
        "The agent wants to run:",
        "    touch made.txt",
        `  in ${home}`,
        "  Its reason: Please.",
        "  Accepted.",
        "ran `touch made.txt`"
      ])
      const made = Cli.files(home).filter((file) => file.endsWith(".txt") && !file.includes(".codex"))
      assert.deepStrictEqual(made, [join(home, "made.txt")])
    }).pipe(Cli.live), timeout)

  it.live("sends pasted lines as one message, and images by their paths", () =>
    Effect.gen(function*() {
      const { ended, has, home, model, send, type } = yield* Chat.start({ answer: echo })
      yield* type(`see ${pasteStart}one\r\ntwo\rthree${pasteEnd}`)
      yield* has("> see one⏎two⏎three")
      yield* type(enter)
      yield* has("done in")
      assert.strictEqual((yield* model.requests).at(-1)!.prompt, "see one\ntwo\nthree")

      const fs = yield* FileSystem.FileSystem
      yield* fs.writeFile(join(home, "a b.png"), png)
      yield* fs.writeFile(join(home, "c.png"), png)
      yield* send("/image a b.png")
      yield* has("[1 image] > ")
      yield* send("and @c.png, not @none.png")
      yield* has("@none.png is no file of this folder.")
      yield* has("done in", 2)
      const images = JSON.stringify((yield* model.requests).at(-1)!.input).match(/"input_image"/g)
      assert.lengthOf(images!, 2)
      yield* type(ctrlD)
      assert.includeMembers([...(yield* ended).rows], ["> see one", "> two", "> three"])
    }).pipe(Cli.live), timeout)

  it.live("passes on what the agent asks", () =>
    Effect.gen(function*() {
      const question = (id: string) => ({
        id,
        header: "Colour",
        question: `Which ${id}?`,
        options: [{ label: "Red", description: "warm" }, { label: "Blue", description: "cold" }]
      })
      const { ended, has, model, send, type } = yield* Chat.start({
        answers: [
          ScriptedModel.functionCall("request_user_input", { questions: [question("sky"), question("sea")] }),
          "Thanks."
        ]
      }, { codex: { config: { features: { default_mode_request_user_input: true } } } })
      yield* send("ask me")
      yield* has("answer> ")
      yield* send("7")
      yield* has("  Which sea?")
      yield* send("2")
      yield* has("Thanks.")
      yield* has("done in")
      yield* type(ctrlD)
      const { rows } = yield* ended
      assert.includeMembers([...rows], ["The agent asks: Colour", "  1 Red warm", "  2 Blue cold", "  Answered."])
      const told = (yield* model.requests).at(-1)!.toolOutputs.at(-1)!.output
      assert.deepStrictEqual(JSON.parse(told), { answers: { sky: { answers: ["7"] }, sea: { answers: ["Blue"] } } })
    }).pipe(Cli.live), timeout)

  it.live("fills in the forms of MCP servers", () =>
    Effect.gen(function*() {
      const form = {
        message: "Who are you?\u001b[2J",
        requestedSchema: {
          type: "object",
          properties: {
            age: { type: "integer", minimum: 1 },
            name: { type: "string", title: "Your name" }
          },
          required: ["age", "name"]
        }
      }
      const { ended, has, model, send, type } = yield* Chat.start({
        answers: [ScriptedModel.functionCall("ask", form, { namespace: "mcp__test" }), "Thanks."]
      }, {
        codex: { config: { mcp_servers: { test: { command: process.execPath, args: [mcpServer], required: true } } } }
      })
      yield* send("ask me")
      yield* has("answer> ")
      yield* send("old")
      yield* has("  Your name")
      yield* send("Ada")
      yield* has("  Once more; Escape declines.")
      yield* send("36")
      yield* has("  Your name", 2)
      yield* send(`${pasteStart}Ada${pasteEnd}`)
      yield* has("Thanks.")
      yield* has("done in")
      yield* type(ctrlD)
      const { rows } = yield* ended
      assert.includeMembers([...rows], ["The MCP server test asks:", "  Who are you?\\u{1b}[2J", "  Sent."])
      const told = (yield* model.requests).at(-1)!.toolOutputs.at(-1)!.output
      assert.include(told.replaceAll("\\", ""), `"content":{"age":36,"name":"Ada"}`)
    }).pipe(Cli.live), timeout)

  it.live("goes on after a failure", () =>
    Effect.gen(function*() {
      const { ended, has, send, type } = yield* Chat.start({
        answers: [ScriptedModel.httpFailure(400, { error: { message: "No such thing." } }), "Here."]
      })
      yield* send("fail")
      yield* has("error: ")
      yield* has("change something and say how to go on")
      yield* send("again")
      yield* has("Here.")
      yield* has("done in")
      yield* type(ctrlD)
      const { code, rows } = yield* ended
      assert.strictEqual(code, 0)
      assert.match(rows.join(" ").replaceAll(/ +/g, " "), /error: .*No such thing\./)
    }).pipe(Cli.live), timeout)

  it.live("plans, implements, names, copies, reports, compacts, tells", () =>
    Effect.gen(function*() {
      const usage = { input: 900, output: 100 }
      const { ended, has, home, send, type } = yield* Chat.start({
        answer: ({ prompt }) =>
          ScriptedModel.reply([
            prompt.startsWith("move it")
              ? ScriptedModel.text("<proposed_plan>\n1. Move it.\n</proposed_plan>")
              : ScriptedModel.text(`Done: ${prompt.includes("1. Move it.") ? "moved" : prompt}.`)
          ], { usage })
      }, {
        env: { EFFECT_CODEX_PRICES: "prices.json" },
        files: { "prices.json": `{"scripted-model": {"input": 100, "output": 100}}` }
      })
      yield* send("/plan move it")
      yield* has("/implement carries the plan out.")
      yield* has("plan> ")
      yield* send("/implement")
      yield* has("Done: moved.")
      yield* has("done in", 2)
      yield* send("/name Moves\u00a0it")
      yield* has("Named.")
      yield* send("/status")
      yield* has("context  ")
      yield* send("/report out.html")
      yield* has("Written to out.html")
      yield* send("/report out.html")
      yield* has("already exists")
      yield* send("/fork")
      yield* has("You are in a copy now")
      yield* send("here")
      yield* has("Done: here.")
      yield* has("done in", 3)
      yield* send("/compact")
      yield* has("compacted the conversation")
      yield* has("done in", 4)
      yield* type(ctrlD)
      const { code, rows } = yield* ended
      assert.strictEqual(code, 0)
      assert.include(rows, "1. Move it.")
      const at = rows.findIndex((row) => row.startsWith("thread   "))
      assert.match(rows[at]!, /^thread {3}[\da-f-]{36} \(Moves it\)$/)
      assert.includeMembers([...rows], [
        "folder   ~",
        "model    scripted-model",
        "mode     default",
        "tokens   2,000 in this chat",
        "cost     $0.2000"
      ])
      assert.include(readFileSync(join(home, "out.html"), "utf8"), "Done: moved.")
    }).pipe(Cli.live), timeout)

  it.live("keeps to 40 columns, and shows nothing that commands the terminal", () =>
    Effect.gen(function*() {
      const hostile = "A long line of many words that is wrapped.\u001b]0;x\u0007\u202e\u001b[2J"
      const { ended, has, send, type } = yield* Chat.start({
        answers: [[ScriptedModel.exec("echo a command that is rather long, too long for one row")], hostile]
      }, { columns: 40 })
      yield* send("a message that is longer than a row of this terminal is")
      yield* has("done in")
      yield* type("another message that is longer than a row of this terminal is")
      yield* has("…")
      yield* type(ctrlU + ctrlD)
      const { rows, stdout } = yield* ended
      const long = rows.filter((row) => row.length > 40 && !row.startsWith("thread "))
      assert.deepStrictEqual(long, [])
      for (const [, row] of stdout.matchAll(/\u001b\[2K([^\r\n\u001b]*)\r\u001b/g)) assert.isBelow(row!.length, 40)
      assert.notMatch(stdout, /\u001b\]|\u001b\[2J|\u202e/)
      // No colours, as NO_COLOR wants it.
      assert.notMatch(stdout, /\u001b\[[\d;]*m/)
    }).pipe(Cli.live), timeout)

  it.live("leaves the terminal in order when it is ended", () =>
    Effect.gen(function*() {
      for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129]] as const) {
        const gate = yield* ScriptedModel.gate
        const { ended, home, send } = yield* Chat.start({ answers: [ScriptedModel.text(["One ", gate])] })
        yield* send("go")
        yield* gate.reached
        const chat = Cli.processesOf(home).filter((pid) => {
          const command = readFileSync(`/proc/${pid}/cmdline`, "utf8")
          return command.startsWith(process.execPath) && command.includes("bin.ts")
        })
        assert.lengthOf(chat, 1)
        process.kill(Number(chat[0]), signal)
        const { code: actual, rows, stdout } = yield* ended
        assert.strictEqual(actual, code)
        assert.include(stdout, Chat.pastesOff)
        assert.match(rows.at(-2)!, /^thread .*, go on with: /)
        assert.deepStrictEqual(Cli.processesOf(home), [])
      }
    }).pipe(Cli.live), timeout)

  it.live("works on a terminal without control", () =>
    Effect.gen(function*() {
      const { ended, has, send } = yield* Chat.start({ answer: echo }, { env: { TERM: "dumb" } })
      yield* has("> ")
      yield* send("first")
      yield* has("You said first.")
      yield* has("done in")
      yield* send("/quit")
      const { code, stdout } = yield* ended
      assert.strictEqual(code, 0)
      assert.notMatch(stdout, /\u001b/)
    }).pipe(Cli.live), timeout)
})

describe("effect-codex chat in a pipe", () => {
  it.live("takes each line as a message", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answer: echo })
      const home = yield* Cli.user(model)
      const { code, stderr, stdout } = yield* Cli.run(["chat"], { home, stdin: "first\n\nsecond" })
      assert.deepStrictEqual([code, stdout], [0, "You said first.\nYou said second.\n"], stderr)
      assert.match(stderr, /^thread .*, go on with: effect-codex chat --resume/m)
      assert.includeMembers([...(yield* model.requests).at(-1)!.userTexts], ["first", "second"])
      const last = yield* Cli.run(["chat", "--last", "third"], { home, stdin: "" })
      assert.deepStrictEqual([last.code, last.stdout], [0, "You said third.\n"], last.stderr)
      assert.lengthOf((yield* model.requests).at(-1)!.userTexts.filter((text) => text === "first"), 1)
    }).pipe(Cli.live), timeout)

  it.live("goes on after a failed turn, and then fails", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({
        answers: [ScriptedModel.httpFailure(400, { error: { message: "No such thing." } }), "Here."]
      })
      const home = yield* Cli.user(model)
      const { code, stderr, stdout } = yield* Cli.run(["chat"], { home, stdin: "first\nsecond\n" })
      assert.deepStrictEqual([code, stdout], [1, "Here.\n"])
      assert.match(stderr, /error: 1 of 2 turns failed\.\n$/)
    }).pipe(Cli.live), timeout)

  it.live("uses the offline model where nobody is logged in, and says what is wrong", () =>
    Effect.gen(function*() {
      const home = yield* Cli.newcomer
      const chat = (args: ReadonlyArray<string>, stdin = "") => Cli.run(["chat", ...args], { home, stdin })
      const offline = yield* chat(["hello"])
      assert.strictEqual(offline.code, 0, offline.stderr)
      assert.match(offline.stderr, /^No Codex login .* the offline model/m)
      assert.include(offline.stdout, `Yours was: "hello"`)
      assert.notInclude(offline.stderr, "--resume")
      const unhappy = [
        [["--last"], /^error: Invalid --last: nobody is logged in/m],
        [["--offline", "--resume", "ffff"], /^error: Invalid --resume: the offline model has a home/],
        [["--resume", "ffff", "--last"], /^error: Invalid --last: /],
        [["--approve", "ask"], /^error: Invalid --approve: ask needs a terminal/],
        [["--budget", "$1"], /^error: Invalid --budget: a limit in dollars needs prices/],
        [["--image", "none.png"], /^error: Invalid --image: none\.png does not exist/],
        [["--cwd", "nowhere"], /^error: Invalid --cwd: /]
      ] as const
      for (const [args, message] of unhappy) {
        const { code, stderr, stdout } = yield* chat(args, "hi\n")
        assert.deepStrictEqual([code, stdout], [1, ""], args.join(" "))
        assert.match(stderr, message)
      }
      const model = yield* ScriptedModel.make({ answer: echo })
      const user = yield* Cli.user(model)
      const unknown = yield* Cli.run(["chat", "--resume", "ffff"], { home: user, stdin: "hi\n" })
      assert.deepStrictEqual([unknown.code, unknown.stdout], [1, ""])
      assert.match(unknown.stderr, /^error: Invalid --resume: no thread begins with ffff\./m)
      assert.deepStrictEqual(Cli.processesOf(user), [])
    }).pipe(Cli.live), timeout)
})

const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64"
)
