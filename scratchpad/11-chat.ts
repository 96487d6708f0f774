// A conversation in the terminal: one turn for each line, the answer as it is written, the tokens after it.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import { Effect, Option, Stdio, Stream } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const stdio = yield* Stdio.Stdio
  const thread = yield* codex.startThread()
  const write = (text: string) => Stream.run(Stream.make(text), stdio.stdout({ endOnDone: false }))

  const say = Effect.fn(function*(line: string) {
    const turn = yield* thread.turn(line)
    yield* Stream.runForEach(turn.text, write)
    const { usage } = yield* turn.result
    yield* write(`\n(${Option.match(usage, { onNone: () => "?", onSome: ({ turn }) => turn.totalTokens })} tokens)\n`)
  }, Effect.scoped)

  yield* write("Each line is a turn. An empty line, exit, or the end of stdin ends the chat.\n")
  yield* stdio.stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.takeWhile((line) => line !== "" && line !== "exit"),
    Stream.runForEach(say)
  )
})

program.pipe(Effect.provide([CodexNode.layer(), NodeStdio.layer]), NodeRuntime.runMain)
