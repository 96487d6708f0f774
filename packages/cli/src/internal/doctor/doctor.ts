/** Checks whether codex works here, and says what to do where it does not. */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import { now } from "../monotonic.ts"
import { durationOf } from "../runOptions.ts"
import { Screen } from "../screen.ts"
import * as TurnWarnings from "../turnWarnings.ts"
import * as Databases from "./databases.ts"
import * as Machine from "./machine.ts"
import { type Check, check, isOk, lines, summary } from "./report.ts"
import * as Server from "./server.ts"

/** Something is wrong. What it is has been told. */
export class Unhealthy extends Data.TaggedError("Unhealthy") {
  override readonly [Runtime.errorReported] = false
}

export const doctor = Effect.fnUntraced(function*(options: { readonly json: boolean; readonly timeout: string }) {
  const { answer, answerLines, line } = yield* Screen
  const timeout = yield* durationOf("--timeout", options.timeout)
  const checks = yield* examine(timeout)
  if (options.json) yield* answer(`${JSON.stringify({ ok: isOk(checks), checks })}\n`)
  else {
    yield* answerLines(lines(checks))
    yield* line(summary(checks))
  }
  if (!isOk(checks)) return yield* new Unhealthy()
})

const late = (name: string, timeout: Duration.Duration): Check =>
  check(name, "fail", `there was no answer within ${Duration.format(timeout)}`, "Try again with a longer --timeout.")

const examine = Effect.fnUntraced(function*(timeout: Duration.Duration) {
  const limit: Server.Limit = (name, effect) =>
    Effect.timeoutOrElse(effect, { duration: timeout, orElse: () => Effect.succeed([late(name, timeout)]) })
  const each = <E, R>(name: string, effect: Effect.Effect<Check, E, R>) =>
    limit(name, Effect.map(effect, (one) => [one]))

  const { check: found, found: executable } = yield* Machine.executable
  const home = yield* each("CODEX_HOME", Machine.home)
  // The clock is compared to files that codex changes when it starts.
  const clock = yield* each("clock", Machine.clock)
  const databases = yield* each("databases", Effect.flatMap(Machine.homeFolder, Databases.databases))
  const descriptors = yield* each("descriptors", Machine.descriptors)
  const environment = [...descriptors, Machine.proxies(process.env), ...clock]
  if (Option.isNone(executable)) {
    return [found, ...home, ...databases, ...Server.unasked("there is no codex to ask"), ...environment]
  }
  const program = executable.value.executable
  const version = yield* each("version", Machine.version(program))
  const server = yield* asked(program, timeout, limit)
  return [found, ...version, ...home, ...databases, ...server, ...environment]
})

const asked = (program: string, timeout: Duration.Duration, limit: Server.Limit) =>
  Effect.gen(function*() {
    const begun = yield* now
    const started = yield* Layer.build(Server.layer(program, timeout)).pipe(
      Effect.timeoutOption(timeout),
      Effect.map((context) => Option.isNone(context) ? late("app-server", timeout) : context.value),
      Effect.catch((error) => Effect.succeed(Server.startProblem(error)))
    )
    if ("status" in started) return [started, ...Server.unasked("the app-server does not run")]
    const time = (yield* now) - begun
    return yield* Effect.provideContext(Server.serverChecks(limit, time), started)
  }).pipe(
    Effect.scoped,
    // Everything is told as a check.
    Effect.provide(Logger.layer([])),
    TurnWarnings.without
  )
