/** Asks the person what the agent and MCP servers want to know. */
import * as Elicitation from "@effect-codex/client/Elicitation"
import type * as Questions from "@effect-codex/client/Questions"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Terminal from "effect/Terminal"
import { type Line, line, type Look, render, span } from "../lines.ts"
import { visible } from "../text.ts"
import * as Editor from "./editor.ts"
import * as Fields from "./fields.ts"
import { keyOf } from "./keyboard.ts"
import { rowOf } from "./row.ts"

export interface Ask {
  /** Shows lines. */
  readonly say: (lines: ReadonlyArray<Line>) => Effect.Effect<void>
  /** Reads a line. Undefined if the person does not want to answer. */
  readonly line: (label: string, options?: { readonly isSecret?: boolean }) => Effect.Effect<string | undefined>
}

/**
 * Asks at a terminal that is reserved for it. Ctrl-C does what `onInterrupt` does, and leaves the question unanswered.
 */
export const make = (look: Look, onInterrupt: () => void): Effect.Effect<Ask, never, Terminal.Terminal> =>
  Effect.map(Terminal.Terminal, (terminal) => {
    const display = (text: string) => Effect.ignore(terminal.display(text))
    const say = (lines: ReadonlyArray<Line>) =>
      display(lines.map((line) => `${render(line, look).join("\n")}\n`).join(""))
    return {
      say,
      line: (label, options) =>
        Effect.gen(function*() {
          const keys = yield* terminal.readInput
          let editor = Editor.empty
          const isSecret = options?.isSecret === true
          const draw = Effect.gen(function*() {
            const columns = (yield* terminal.columns) || 80
            const { column, line } = rowOf(editor, span(`${label}> `, "cyan"), columns, isSecret)
            yield* display(`${erase}${render(line, look)[0] ?? ""}\r${column === 0 ? "" : `\u001b[${column}C`}`)
          })
          while (true) {
            yield* draw
            const input = yield* Queue.take(keys)
            // A bare Escape does not want to answer.
            if (input.key.name === "escape") return undefined
            const [next, outcome] = Editor.press(editor, keyOf(input))
            editor = next
            if (outcome._tag === "Submitted") {
              if (!isSecret) yield* display(`${erase}${render(line(`  ${outcome.text}`), look).join("\n")}\n`)
              return outcome.text
            }
            if (outcome._tag === "End") return undefined
            if (outcome._tag === "Interrupt") {
              onInterrupt()
              return undefined
            }
          }
        }).pipe(
          Effect.scoped,
          // The input has ended, so nobody can answer.
          Effect.catch(() => Effect.succeed(undefined)),
          Effect.ensuring(display(erase))
        )
    }
  })

const erase = "\r\u001b[2K"

const bold = (text: string): Line => line(span(text, "bold"))
const dim = (text: string): Line => line(span(`  ${text}`, "dim"))

// =============================================================================
// The agent
// =============================================================================

export const answer = Effect.fnUntraced(function*(ask: Ask, request: Questions.Request) {
  const answers: Record<string, Questions.Answer> = {}
  for (const question of request.questions) {
    const answer = yield* one(ask, question)
    // Who does not want to answer one question is not asked the others.
    if (answer === undefined) break
    answers[question.id] = question.isSecret ? Redacted.make(answer) : answer
  }
  const given = Object.keys(answers).length
  yield* ask.say([dim(given === request.questions.length ? "Answered." : "Left unanswered.")])
  return answers satisfies Questions.Answers
})

const one = Effect.fnUntraced(function*(ask: Ask, question: Questions.Question) {
  const { allowsOther, header, isSecret, options } = question
  yield* ask.say([
    bold(`The agent asks: ${visible(header, 100)}`),
    line(`  ${visible(question.question, 2000)}`),
    ...options.map(({ description, label }, i) =>
      line(span(`  ${i + 1} `, "cyan"), visible(label, 200), span(` ${visible(description, 300)}`, "dim"))
    ),
    dim(
      options.length === 0
        ? `Type the answer${isSecret ? ". It is hidden here, and the model gets it" : ""}; Escape leaves it open.`
        : `Type a number${allowsOther ? ", or your own words" : ""}; Escape leaves it open.`
    )
  ])
  while (true) {
    const text = yield* ask.line("answer", { isSecret })
    if (text === undefined) return undefined
    const chosen = options[Number(text.trim()) - 1]
    if (chosen !== undefined) return chosen.label
    if (text.trim() !== "" && (options.length === 0 || allowsOther)) return text
    yield* ask.say([dim(options.length === 0 ? "It is empty." : `Choose one of 1 to ${options.length}.`)])
  }
})

// =============================================================================
// MCP servers
// =============================================================================

export const elicit = Effect.fnUntraced(function*(ask: Ask, request: Elicitation.Request) {
  const who = `The MCP server ${visible(request.serverName, 100)}`
  switch (request._tag) {
    case "Form": {
      yield* ask.say([bold(`${who} asks:`), line(`  ${visible(request.message, 2000)}`)])
      if (request.fields.length === 0) return yield* agreed(ask, "Agree?")
      const content = yield* Fields.fill(ask, request)
      yield* ask.say([dim(content === undefined ? "Declined." : "Sent.")])
      return content === undefined ? Elicitation.decline : Elicitation.accept(content)
    }
    case "Url":
      yield* ask.say([
        bold(`${who} wants you to open a page:`),
        line(`  ${visible(request.message, 2000)}`),
        { spans: [span("  "), span(visible(request.url, 2000), "underline")], isRigid: true }
      ])
      return yield* agreed(ask, "Will you open it?")
    default:
      yield* ask.say([dim(`${who} asked for something that this program cannot show. It was declined.`)])
      return Elicitation.decline
  }
})

const agreed = Effect.fnUntraced(function*(ask: Ask, question: string) {
  yield* ask.say([dim(`${question} Type yes or no.`)])
  while (true) {
    const text = (yield* ask.line("yes or no"))?.trim().toLowerCase()
    if (text === "yes" || text === "y") return Elicitation.accept()
    if (text === undefined || text === "no" || text === "n") return Elicitation.decline
  }
})
