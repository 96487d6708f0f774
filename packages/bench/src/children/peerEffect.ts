/** The program of `peer.ts` in Effect. A module of its own, so that the other packages do not load Effect. */
import { Codex } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Gives the answers. Calls `onAnswers` before the server ends, because the other packages end theirs later too. */
export const run = (
  options: {
    readonly executable: string
    readonly threads: number
    readonly turns: number
    readonly prompt: string
  },
  onAnswers: () => void
): Promise<ReadonlyArray<string>> => {
  const { executable, prompt, threads, turns } = options
  const onThread = Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const thread = yield* codex.startThread()
    const answers: Array<string> = []
    for (let n = 0; n < turns; n++) {
      const { finalResponse } = yield* thread.run(prompt)
      answers.push(Option.getOrElse(finalResponse, () => ""))
    }
    return answers
  })
  return Effect.forEach(Array.from({ length: threads }), () => onThread, { concurrency: "unbounded" }).pipe(
    Effect.tap(() => Effect.sync(onAnswers)),
    Effect.map((answers) => answers.flat()),
    Effect.scoped,
    Effect.provide(CodexNode.layer({ executable })),
    Effect.runPromise
  )
}
