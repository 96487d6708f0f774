#!/usr/bin/env node
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Runtime from "effect/Runtime"
import * as Cli from "./Cli.ts"
import { runMain } from "./internal/main.ts"
import * as Screen from "./internal/screen.ts"
import * as TurnWarnings from "./internal/turnWarnings.ts"
import { version } from "./internal/version.ts"

const report = (cause: Cause.Cause<unknown>) =>
  Effect.gen(function*() {
    const { drain, line } = yield* Screen.Screen
    const error = Cause.squash(cause)
    if (!Cause.hasInterrupts(cause) && Runtime.getErrorReported(error)) {
      yield* line(`error: ${Cause.hasDies(cause) || !(error instanceof Error) ? Cause.pretty(cause) : error.message}`)
    }
    yield* drain
  })

// Effect's message repeats unknown arguments, and for a login those may be a key.
const messageOf = (error: CliError.CliError, commandPath: ReadonlyArray<string>): string =>
  commandPath.at(-1) === "login" && (error._tag === "UnexpectedArgument" || error._tag === "InvalidValue")
    ? "login takes no values. With --api-key it reads the key from stdin, because others can read a command line."
    : error.message

// Unrequested help would bury the error and does not belong on stdout.
const presenter = Layer.effect(
  CliOutput.Presenter,
  Effect.map(Screen.Screen, ({ line }): CliOutput.Presenter => ({
    present: (event) =>
      event._tag === "InvalidInvocation"
        ? line([
          ...event.errors.map((error) => `error: ${messageOf(error, event.commandPath)}`),
          `Run \`${event.commandPath.join(" ")} --help\` for usage.`
        ].join("\n"))
        : CliOutput.defaultPresenter.present(event)
  }))
)

const logger = Effect.map(
  Screen.Screen,
  ({ lineUnsafe }) =>
    Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
      const text = (Array.isArray(message) ? message : [message]).map(Inspectable.toStringUnknown).join(" ")
      if (!TurnWarnings.isWanted(fiber.context, text)) return
      lineUnsafe(`${logLevel === "Warn" ? "warning" : logLevel.toLowerCase()}: ${text}`)
    })
)

Command.run(Cli.command, { version }).pipe(
  Effect.tapCause(report),
  Effect.provide(Layer.mergeAll(presenter, Logger.layer([logger]))),
  Effect.provide(Layer.merge(Screen.layer, NodeServices.layer)),
  runMain({ disableErrorReporting: true })
)
