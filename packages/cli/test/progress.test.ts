import { decode, type TurnEvent } from "@effect-codex/client/ServerNotification"
import type { TurnResult, TurnUsage } from "@effect-codex/client/TurnResult"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Answer } from "../src/internal/answer.ts"
import * as Lines from "../src/internal/lines.ts"
import * as Progress from "../src/internal/progress.ts"

type Item = TurnResult["items"][number]

const ids = { threadId: "thread", turnId: "turn" }

const message = (
  id: string,
  text: string,
  phase: Extract<Item, { readonly type: "agentMessage" }>["phase"] = null
): Extract<Item, { readonly type: "agentMessage" }> => ({
  type: "agentMessage",
  id,
  text,
  phase,
  moderation: null,
  memoryCitation: null,
  delivery: null,
  questions: null
})

const command = (
  more: Partial<Extract<Item, { readonly type: "commandExecution" }>> = {}
): Item => ({
  type: "commandExecution",
  id: "command",
  pluginId: null,
  scriptPath: null,
  command: "/bin/bash -lc 'git status\n && ls'",
  cwd: "/",
  processId: null,
  source: "agent",
  status: "inProgress",
  commandActions: [],
  aggregatedOutput: null,
  exitCode: null,
  durationMs: null,
  ...more
})

const started = (item: Item): TurnEvent => ({
  _tag: "item/started",
  params: { ...ids, item, startedAtMs: 0 }
})
const completed = (item: Item): TurnEvent => ({
  _tag: "item/completed",
  params: { ...ids, item, completedAtMs: 0, contentTokenCount: null }
})
const delta = (itemId: string, delta: string): TurnEvent => ({
  _tag: "item/agentMessage/delta",
  params: { ...ids, itemId, delta }
})
const retried: TurnEvent = {
  _tag: "error",
  params: {
    ...ids,
    willRetry: true,
    error: { message: "Reconnecting... 1/5", codexErrorInfo: null, additionalDetails: null, misalignment: null }
  }
}

const breakdown = (totalTokens: number): TurnUsage["turn"] => ({
  totalTokens,
  inputTokens: totalTokens - 10,
  cachedInputTokens: 5,
  cacheWriteInputTokens: 0,
  outputTokens: 10,
  reasoningOutputTokens: 3
})
const used = (tokens: number): TurnEvent => ({
  _tag: "thread/tokenUsage/updated",
  params: {
    ...ids,
    tokenUsage: { total: breakdown(tokens), last: breakdown(tokens), modelContextWindow: null }
  }
})
const turnStarted: TurnEvent = {
  _tag: "turn/started",
  params: {
    threadId: "thread",
    turn: {
      id: "turn",
      rootTurnId: null,
      items: [],
      itemsView: "notLoaded",
      status: "inProgress",
      error: null,
      startedAt: null,
      completedAt: null,
      durationMs: null
    }
  }
}

const after = (...events: ReadonlyArray<TurnEvent>) =>
  events.reduce<readonly [Progress.Progress, ReadonlyArray<string>]>(([progress, lines], event) => {
    const [next, more] = Progress.step(progress, event)
    return [next, [...lines, ...more.map(Lines.plain)]]
  }, [Progress.initial(0), []])

describe("the progress", () => {
  it("says what the agent does", () => {
    const events = [
      [turnStarted, "thinking"],
      [started(message("m0", "", "commentary")), "thinking"],
      [completed(message("m0", "I look.", "commentary")), "thinking"],
      [started(command()), "running `git status && ls`"],
      [started(command({ id: "second", command: "/bin/zsh -lc ls" })), "running `ls`"],
      [completed(command({ id: "second", status: "completed" })), "running `git status && ls`"],
      [completed(command({ status: "completed" })), "thinking"],
      [started(message("m1", "", "final_answer")), "writing"],
      [completed(message("m1", "done", "final_answer")), "thinking"]
    ] as const
    assert.strictEqual(Progress.activity(after()[0]), "starting codex")
    events.forEach(([, activity], i) => {
      assert.strictEqual(Progress.activity(after(...events.slice(0, i + 1).map(([event]) => event))[0]), activity)
    })
  })

  it("has a line for what was done", () => {
    const lines = (event: TurnEvent) => after(event)[1]
    assert.deepStrictEqual(lines(completed(message("m", " I look.\n", "commentary"))), ["I look."])
    assert.deepStrictEqual(lines(completed(message("m", "the answer"))), [])
    assert.deepStrictEqual(lines(completed(command({ status: "completed", exitCode: 0, durationMs: 1234 }))), [
      "ran `git status && ls` in 1.2s"
    ])
    assert.deepStrictEqual(lines(completed(command({ status: "failed", exitCode: 2, durationMs: 3 }))), [
      "ran `git status && ls`, exit code 2"
    ])
    assert.deepStrictEqual(lines(completed(command({ status: "declined" }))), [
      "did not run `git status && ls`: it was declined"
    ])
    assert.deepStrictEqual(
      lines(completed({
        type: "fileChange",
        id: "f",
        changes: [{ path: "a.ts", kind: { type: "add" }, diff: "" }, { path: "b.ts", kind: { type: "add" }, diff: "" }],
        status: "completed"
      })),
      ["added a.ts", "added b.ts"]
    )
  })

  it.effect("warns of what is tried again, and of what the server says that it does not know", () =>
    Effect.gen(function*() {
      const error = (willRetry: boolean): TurnEvent => ({
        _tag: "error",
        params: {
          ...ids,
          willRetry,
          error: { message: "Reconnecting... 1/2", codexErrorInfo: null, additionalDetails: null, misalignment: null }
        }
      })
      assert.deepStrictEqual(after(error(true), error(false))[1], ["warning: Reconnecting... 1/2"])
      const item = { type: "somethingNew", id: "new" }
      const event = (yield* decode)({
        _tag: "item/started",
        params: { ...ids, item, startedAtMs: 0 }
      })
      assert(event._tag === "item/started")
      const [progress, lines] = after(event, { _tag: "Unknown", method: "turn/new", params: {} })
      assert.deepStrictEqual([Progress.activity(progress), lines], ["working (somethingNew)", []])
    }))

  it("fits on the terminal", () => {
    const [progress] = after(
      turnStarted,
      started(command({ command: `bash -lc '${"漢字 ".repeat(50)}'` })),
      used(12345)
    )
    assert.match(Progress.statusLine(progress, 61_999, 60), /^\S running `漢字 .*… · 61s · 12,345 tokens$/)
    const width = (line: string) =>
      [...line].reduce((all, character) => all + (/\p{Script=Han}/u.test(character) ? 2 : 1), 0)
    for (let columns = 1; columns < 130; columns++) {
      assert.isBelow(width(Progress.statusLine(progress, 61_999, columns)), columns)
    }
    assert.strictEqual(Progress.statusLine(after(turnStarted)[0], 100, 80), "⠙ thinking · 0s")
  })

  it("ends with what the turn used", () => {
    const [progress] = after(used(1234))
    const summary = (...args: Parameters<typeof Progress.summaryLine>) => Lines.plain(Progress.summaryLine(...args))
    assert.strictEqual(
      summary(progress, 1500, { turn: breakdown(1234), subagents: breakdown(0) }),
      "done in 1.5s, 1,234 tokens (1,224 in, 5 of them cached, 10 out)"
    )
    assert.strictEqual(
      summary(progress, 1500, { turn: breakdown(1234), subagents: breakdown(5001) }),
      "done in 1.5s, 1,234 tokens (1,224 in, 5 of them cached, 10 out), and 5,001 by subagents"
    )
    assert.strictEqual(summary(progress, 61_000, undefined), "done in 1m 1s")
    assert.strictEqual(summary(progress, 1500, undefined, "another-model"), "done in 1.5s by another-model")
  })
})

describe("the answer", () => {
  const written = (...events: ReadonlyArray<TurnEvent>) => {
    const answer = new Answer()
    return [...events.map((event) => answer.push(event)), answer.end()]
  }

  it("is written as it comes, without the commentary", () => {
    assert.deepStrictEqual(
      written(
        started(message("m0", "", "commentary")),
        delta("m0", "I look."),
        completed(message("m0", "I look.", "commentary")),
        started(message("m1", "", "final_answer")),
        delta("m1", "Hel"),
        delta("m1", "lo.\n\nBye.\n\n"),
        completed(message("m1", "Hello.\n\nBye.\n\n", "final_answer"))
      ),
      ["", "", "", "", "Hel", "lo.\n\nBye.", "\n", ""]
    )
  })

  it("is written when other parts of its event do not fit, and once when it comes twice", () => {
    const raw = message("m0", "Hello.", "final_answer")
    const item = { type: "undecodable", id: "m0", raw: { ...raw, moderation: 7 }, issue: "" } as const
    const params = { threadId: "t", turnId: "u", completedAtMs: 0 }
    const events: ReadonlyArray<TurnEvent> = [
      { _tag: "item/completed", params: { ...params, contentTokenCount: null, item } },
      { _tag: "Undecodable", method: "item/completed", params: { ...params, item: raw, completedAtMs: "" }, issue: "" },
      completed(raw)
    ]
    for (const event of events) assert.strictEqual(written(event).join(""), "Hello.\n")
    assert.strictEqual(written(...events).join(""), "Hello.\n")
  })

  it("keeps messages of a model that knows no phases apart", () => {
    const messages = [
      started(message("m0", "")),
      delta("m0", "one"),
      started(message("m1", "")),
      delta("m1", "two\n"),
      delta("m1", "three"),
      completed(message("m1", "two\nthree"))
    ]
    assert.strictEqual(written(...messages).join(""), "one\ntwo\nthree\n")
  })

  it("has nothing twice when the model's stream breaks and the message is written again", () => {
    const again = (...deltas: ReadonlyArray<string>) =>
      written(
        started(message("m0", "")),
        delta("m0", "Hello "),
        delta("m0", "wor"),
        retried,
        started(message("m1", "")),
        ...deltas.map((text) => delta("m1", text)),
        completed(message("m1", deltas.join("")))
      ).join("")
    assert.strictEqual(again("Hel", "lo wo", "rld."), "Hello world.\n")
    assert.strictEqual(again("Hello ", "you."), "Hello wor\nHello you.\n")
    assert.strictEqual(again("Hello"), "Hello wor\nHello\n")
    // What was whole stays, and the model goes on after it.
    assert.strictEqual(
      written(delta("m0", "One."), completed(message("m0", "One.")), retried, delta("m1", "One. Two.")).join(""),
      "One.\nOne. Two.\n"
    )
  })

  it("is complete without deltas, and ends with a newline when it was cut off", () => {
    assert.strictEqual(
      written(started(message("m", "")), completed(message("m", "all at once"))).join(""),
      "all at once\n"
    )
    assert.strictEqual(written(delta("m", "half\n")).join(""), "half\n")
    assert.strictEqual(written(started(message("m", "")), completed(message("m", ""))).join(""), "")
  })
})
