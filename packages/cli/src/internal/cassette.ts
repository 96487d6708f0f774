/**
 * Records sessions with codex to files, shows them, and replays them to another program.
 */
import { InvalidArgument } from "@effect-codex/client/CodexError"
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import * as ServerNotification from "@effect-codex/client/ServerNotification"
import { Transport } from "@effect-codex/client/Transport"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Cassette from "@effect-codex/testing/Cassette"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Answer } from "./answer.ts"
import * as Progress from "./progress.ts"
import * as Run from "./run.ts"
import { Screen } from "./screen.ts"
import * as Session from "./session.ts"

// =============================================================================
// Recording
// =============================================================================

export interface RecordOptions extends Run.Options {
  readonly cassette: string
  readonly serve: boolean
  readonly force: boolean
}

export const record = Effect.fnUntraced(function*(options: RecordOptions) {
  if (options.serve && Option.isSome(options.prompt)) {
    return yield* new InvalidArgument({
      argument: "prompt",
      detail: "with --serve the connected client sends the prompts. Remove it."
    })
  }
  const fs = yield* FileSystem.FileSystem
  if (!options.force && (yield* fs.exists(options.cassette))) {
    const detail = `${options.cassette} already exists. Choose another name, or replace it with --force.`
    return yield* new InvalidArgument({ argument: "cassette", detail })
  }
  if (options.serve) return yield* recordServer(options)
  const { line } = yield* Screen
  yield* Effect.provideService(Run.run(options), Session.RecordTo, options.cassette)
  yield* line(`recorded ${options.cassette}. Look through it before you publish it.`)
})

const recordServer = Effect.fnUntraced(function*(options: RecordOptions) {
  const cwd = Option.getOrUndefined(options.cwd)
  yield* Effect.provide(
    pipe,
    Cassette.layerRecording(options.cassette).pipe(Layer.provide(CodexNode.layerTransport({ cwd })))
  )
})

// =============================================================================
// Replaying
// =============================================================================

export interface ReplayOptions {
  readonly cassette: string
  readonly serve: boolean
  readonly lenient: boolean
  readonly json: boolean
}

export const replay = Effect.fnUntraced(function*(options: ReplayOptions) {
  if (!options.serve) return yield* show(options)
  const matching = options.lenient ? "lenient" : "strict"
  yield* pipe.pipe(
    Effect.andThen(Cassette.verify),
    // Report what the client did wrong, not how the connection ended.
    Effect.mapError((error) => error._tag === "TransportError" && isMismatch(error.cause) ? error.cause : error),
    Effect.provide(Cassette.layerReplaying(options.cassette, { matching }))
  )
})

const isMismatch = (cause: unknown): cause is Cassette.CassetteMismatch => cause instanceof Cassette.CassetteMismatch

const show = Effect.fnUntraced(function*({ cassette, json }: ReplayOptions) {
  const screen = yield* Screen
  const { codex, messages } = yield* Cassette.read(cassette)
  yield* screen.line(`${cassette}, recorded with codex ${codex ?? "of an unknown version"}`)
  const decode = yield* ServerNotification.decode
  let progress = Progress.initial(0)
  const answer = new Answer()
  const asked = new Map<unknown, string>()
  for (const { direction, frame } of messages) {
    if (!Predicate.isReadonlyObject(frame)) continue
    const { id, method, params, result } = frame as { readonly [key: string]: unknown }
    if (direction === "sent") {
      const prompt = method === "turn/start" ? promptOf(params) : undefined
      if (prompt !== undefined) yield* screen.line(`> ${prompt}`)
      const request = method === undefined ? asked.get(id) : undefined
      if (request !== undefined) yield* screen.line(`${request}: ${JSON.stringify(result ?? frame)}`)
    } else if (typeof method === "string" && id !== undefined) {
      asked.set(id, method)
    } else if (typeof method === "string") {
      const event = decode({ _tag: method, params })
      if (!isTurnEvent(event)) continue
      const [next, lines] = Progress.step(progress, event)
      progress = next
      yield* Effect.forEach(lines, screen.line, { discard: true })
      yield* screen.answer(json ? Run.jsonLine(event) : answer.push(event))
      if (!json && event._tag === "turn/completed") yield* screen.answer(answer.end())
    }
  }
})

const isTurnEvent = (event: ServerNotification.ServerNotification): event is TurnEvent =>
  Predicate.hasProperty(event.params, "turnId") || Predicate.hasProperty(event.params, "turn")

const promptOf = (params: unknown): string | undefined => {
  const input = Predicate.hasProperty(params, "input") ? params.input : undefined
  return Array.isArray(input)
    ? input.flatMap((item: unknown) =>
      Predicate.hasProperty(item, "text") && typeof item.text === "string" ? [item.text] : []
    ).join("\n")
    : undefined
}

// =============================================================================
// Serving
// =============================================================================

// Connects stdin and stdout to the transport line by line, like an app-server. Ends with stdin.
const pipe = Effect.gen(function*() {
  const transport = yield* Transport
  const stdio = yield* Stdio.Stdio
  const received = transport.receive((frames) => {
    process.stdout.write(frames.map((frame) => `${frame}\n`).join(""))
  })
  const sent = stdio.stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line !== ""),
    Stream.runForEach(transport.send)
  )
  yield* Effect.raceFirst(received, sent)
})
