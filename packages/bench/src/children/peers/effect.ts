/** The Effect API, on one codex or on a pool. */
import { Codex } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as CodexPool from "@effect-codex/node/CodexPool"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Peer, Work } from "./peer.ts"

const onThread = ({ prompt, turns }: Work) =>
  Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const thread = yield* codex.startThread()
    const answers: Array<string> = []
    for (let n = 0; n < turns; n++) {
      const { finalResponse } = yield* thread.run(prompt)
      answers.push(Option.getOrElse(finalResponse, () => ""))
    }
    return answers
  })

const peer = (layerOf: (work: Work) => Layer.Layer<Codex.Codex, unknown>): Peer => ({
  run: (work, onAnswers) =>
    Effect.forEach(Array.from({ length: work.threads }), () => onThread(work), { concurrency: "unbounded" }).pipe(
      Effect.tap(() => Effect.sync(onAnswers)),
      Effect.map((answers) => answers.flat()),
      Effect.provide(layerOf(work)),
      Effect.runPromise
    ),
  stream: (work, onText) =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn(work.prompt)
      yield* Stream.runForEach(turn.events, ({ _tag }) =>
        Effect.sync(() => {
          if (_tag === "item/agentMessage/delta") onText()
        }))
    }).pipe(Effect.scoped, Effect.provide(layerOf(work)), Effect.runPromise)
})

export const load = (processes: string): Promise<Peer> =>
  Promise.resolve(peer(({ executable }) =>
    processes === "1"
      ? CodexNode.layer({ executable })
      : CodexPool.layer({ executable, processes: Number(processes) })
  ))
