import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as ChatLines from "../src/internal/chat/chatLines.ts"
import * as State from "../src/internal/chat/state.ts"
import { plain, render, widthOf } from "../src/internal/lines.ts"
import * as Progress from "../src/internal/progress.ts"

type Given = State.Event | string

const key = (name: string, ctrl = false): State.Event => ({
  _tag: "Pressed",
  key: { input: ctrl || name.length > 1 ? undefined : name, name, ctrl, meta: false }
})

const ctrlC = key("c", true)
const ctrlD = key("d", true)
const done: State.Event = { _tag: "Done" }
const began: State.Event = { _tag: "Began" }
const ended = (status: "completed" | "interrupted" | "failed" = "completed", plan?: string): State.Event => ({
  _tag: "Ended",
  status,
  plan
})

/** A text is a line that was typed and sent. Gives what was done for each event, without what was only said. */
const after = (...events: ReadonlyArray<Given>) => {
  let state = State.initial()
  let actions: ReadonlyArray<State.Action> = []
  const all = [done, ...events].flatMap((event): ReadonlyArray<State.Event> =>
    typeof event === "string" ? [...[...event].map((c) => key(c)), key("return")] : [event]
  )
  for (const event of all) {
    const [next, acted] = State.step(state, event)
    state = next
    if (acted.length > 0) actions = acted
  }
  return {
    state,
    said: actions.flatMap((action) => action._tag === "Say" ? [plain(action.line)] : []).join("\n"),
    did: actions.filter(({ _tag }) => _tag !== "Say" && _tag !== "Echo"),
    echoed: actions.filter(({ _tag }) => _tag === "Echo")
  }
}

const turn = (
  text: string,
  mode: "default" | "plan" = "default",
  images: ReadonlyArray<string> = []
): State.Action => ({
  _tag: "Turn",
  text,
  images,
  mode
})

describe("a chat", () => {
  it("sends a message, and steers with the next ones", () => {
    assert.deepStrictEqual(after("go").did, [turn("go")])
    assert.deepStrictEqual(after("go", began, "left").did, [{ _tag: "Steer", text: "left", images: [] }])
    assert.deepStrictEqual(after("go", began, "left").echoed, [{ _tag: "Echo", text: "left", isSteering: true }])
    // Before the server has begun the turn there is nothing to steer.
    assert.deepStrictEqual(after("go", "left", "more", began).did, [{ _tag: "Steer", text: "left\nmore", images: [] }])
    assert.deepStrictEqual(after("go", began, ended(), "again").did, [turn("again")])
  })

  it("sends what came too late for a turn as the next one", () => {
    const late: State.Event = { _tag: "NotSteered", text: "left" }
    assert.deepStrictEqual(after("go", began, "left", late, ended()).did, [turn("left")])
    assert.deepStrictEqual(after("go", began, "left", ended(), late).did, [turn("left")])
    // After a failure the person decides.
    const failed = after("go", began, "left", late, ended("failed"))
    assert.strictEqual(failed.state.phase, "idle")
    assert.strictEqual(failed.state.editor.text, "left")
  })

  it("holds what is typed while codex starts", () => {
    const [held] = State.step(State.initial(), { _tag: "Line", text: "early", isShown: true })
    assert.deepStrictEqual(State.step(held, done)[1], [turn("early")])
  })

  it("interrupts with the first Ctrl-C, and leaves with the second", () => {
    const once = after("go", began, ctrlC)
    assert.deepStrictEqual(once.did, [{ _tag: "Interrupt" }])
    assert.include(once.said, "Ctrl-C again leaves")
    assert.deepStrictEqual(after("go", began, ctrlC, ctrlC).did, [{ _tag: "Leave", code: 130 }])
    assert.deepStrictEqual(after("go", ctrlC).did, [{ _tag: "Interrupt" }])
    assert.deepStrictEqual(after("go", began, { _tag: "Interrupted" }).did, [{ _tag: "Interrupt" }])
    assert.deepStrictEqual(after("go", began, ctrlC, "so", ended("interrupted")).did, [turn("so")])
    // What was typed before the interrupt is not sent behind the person's back.
    const kept = after("go", "left", ctrlC, ended("interrupted"))
    assert.strictEqual(kept.state.editor.text, "left")
    assert.strictEqual(kept.state.phase, "idle")
  })

  it("leaves at an empty prompt, and empties another one first", () => {
    assert.deepStrictEqual(after(ctrlC).did, [{ _tag: "Leave", code: 0 }])
    assert.deepStrictEqual(after(key("a"), ctrlC).did, [])
    assert.deepStrictEqual(after(key("a"), ctrlC, ctrlC).did, [{ _tag: "Leave", code: 0 }])
    assert.deepStrictEqual(after(ctrlD).did, [{ _tag: "Leave", code: 0 }])
    assert.deepStrictEqual(after("go", began, ctrlD).did, [{ _tag: "Leave", code: 130 }])
    assert.deepStrictEqual(after("/quit").did, [{ _tag: "Leave", code: 0 }])
  })

  it("answers the last line of a pipe before it leaves", () => {
    const end: State.Event = { _tag: "InputEnded", waits: true }
    assert.deepStrictEqual(after("go", began, end).did, [turn("go")])
    assert.deepStrictEqual(after("go", began, end, ended("failed")).did, [{ _tag: "Leave", code: 0 }])
    assert.deepStrictEqual(after(end).did, [{ _tag: "Leave", code: 0 }])
    assert.deepStrictEqual(after("go", began, { _tag: "InputEnded", waits: false }).did, [{ _tag: "Leave", code: 0 }])
  })

  it("plans, and carries the plan out", () => {
    assert.strictEqual(after("/plan").state.mode, "plan")
    assert.strictEqual(after("/plan", "/plan").state.mode, "default")
    assert.deepStrictEqual(after("/plan it all").did, [turn("it all", "plan")])
    const planned = after("/plan it all", began, ended("completed", "1. Do it."))
    assert.include(planned.said, "/implement")
    const implemented = after("/plan it all", began, ended("completed", "1. Do it."), "/implement")
    assert.deepStrictEqual(implemented.did, [{ _tag: "Implement", plan: "1. Do it." }])
    assert.strictEqual(implemented.state.mode, "default")
    assert.include(after("/implement").said, "There is no plan yet")
  })

  it("attaches images to one message", () => {
    const added: State.Event = { _tag: "ImageAdded", path: "/a.png" }
    assert.deepStrictEqual(after(added, "look").did, [turn("look", "default", ["/a.png"])])
    assert.deepStrictEqual(after(added, "look", began, ended(), "again").did, [turn("again")])
    assert.deepStrictEqual(after("go", began, added, "look").did, [{ _tag: "Steer", text: "look", images: ["/a.png"] }])
  })

  it("says which commands there are, and which have to wait", () => {
    assert.include(after("/help").said, "/status")
    assert.include(after("/nothing").said, "There is no /nothing.")
    for (const command of ["/compact", "/fork", "/report", "/implement", "/plan"]) {
      const waiting = after("go", began, command)
      assert.deepStrictEqual(waiting.did, [], command)
      assert.include(waiting.said, `${command} has to wait`)
    }
    assert.deepStrictEqual(after("go", began, "/status").did, [{ _tag: "Run", name: "status", argument: "" }])
    assert.strictEqual(after("/fork").state.phase, "busy")
    assert.strictEqual(after("/fork", done).state.phase, "idle")
    assert.deepStrictEqual(after(" ").did, [])
  })
})

describe("the lines of a chat", () => {
  const progress = { ...Progress.initial(0, "/work"), idle: "thinking", tokens: 1234, contextLeft: 0.5 }
  const row = (state: State.State, columns: number) =>
    plain(ChatLines.rowFor(state, progress, 3000, columns, 0.01).line)

  it("say what a line that is typed would do", () => {
    const idle = after().state
    assert.strictEqual(row(idle, 80), "> ")
    assert.strictEqual(row({ ...idle, mode: "plan", images: ["a"] }, 80), "[1 image] plan> ")
    const working = after("go", began).state
    assert.match(row(working, 80), /^\S thinking · 3s · 1,234 tokens.* · type to steer$/)
    assert.strictEqual(row(after("go", began, key("l")).state, 80), "steer> l")
    assert.strictEqual(row(after("go", began, ctrlC, key("l")).state, 80), "then> l")
    for (let columns = 10; columns < 120; columns++) assert.isBelow(widthOf(row(working, columns)), columns)
  })

  it("fit 40 columns", () => {
    const lines = [
      ...ChatLines.welcome("/home/some/long/folder/of/a/project", "Fix the parser that dropped its last line"),
      ...ChatLines.echo(`${"word ".repeat(20)}\n${Array.from({ length: 30 }, (_, i) => i).join("\n")}`, false),
      ...ChatLines.status({
        threadId: "01a228da-49c6-7841-8742-fb9e389629b2",
        name: "Fix \u001b[31mit",
        cwd: "/work",
        model: undefined,
        mode: "default",
        contextLeft: 0.42,
        spent: { modelCalls: 1, tokens: 1234, cost: Option.some(0.5) },
        remaining: { modelCalls: Option.none(), tokens: Option.some(10), cost: Option.none() },
        hasPrices: true
      })
    ]
    const rows = lines.flatMap((line) => render(line, { colors: false, columns: 40 }))
    for (const row of rows) if (!row.startsWith("thread ")) assert.isAtMost(row.length, 40, row)
    assert.include(rows, "… 11 more lines")
    assert.include(rows.join("\n"), "Fix \\u{1b}[31mit")
    assert.include(rows, "context  42% left")
  })

  it("show an answer whole line by whole line without colours", () => {
    const lines = ChatLines.lineMaker(undefined)
    assert.deepStrictEqual(lines.push("one\ntw").map(plain), ["one"])
    assert.deepStrictEqual(lines.push("o\r\n\nthree").map(plain), ["two", ""])
    assert.deepStrictEqual(lines.end().map(plain), ["three"])
    assert.deepStrictEqual(lines.end(), [])
  })
})
