/** What a command is asked to run with, checked and in the protocol's words. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InvalidArgument } from "../../CodexError.ts"
import type * as Sent from "../../Sent.ts"
import type { CommandOptions, ExecOptions, TerminalSize } from "../../Workspace.ts"
import * as OptionKinds from "../options.ts"
import * as Settings from "../settings/settings.ts"

/** The server's own limit for each of stdout and stderr. */
const defaultMaxOutputBytes = 1024 * 1024

export const terminalSize: OptionKinds.Kind = {
  expected: "true, false, or a size: { rows, columns } with whole numbers above 0",
  fits: (u) => OptionKinds.flag.fits(u) || isSize(u)
}

export const isSize = (u: unknown): u is TerminalSize =>
  OptionKinds.record.fits(u) && OptionKinds.problemOf(u, { rows: OptionKinds.count, columns: OptionKinds.count }) ===
    undefined &&
  Object(u).rows !== undefined && Object(u).columns !== undefined

const optionKinds: OptionKinds.Kinds = {
  cwd: OptionKinds.text,
  env: OptionKinds.environment,
  permissions: OptionKinds.text,
  timeout: OptionKinds.time,
  maxOutputBytes: OptionKinds.either(OptionKinds.countOrNone, OptionKinds.oneOf("unlimited")),
  maxUnreadBytes: OptionKinds.count,
  terminal: terminalSize
}

export const sizeOf = ({ columns, rows }: TerminalSize): Sent.CommandExecTerminalSize => ({ rows, cols: columns })

const environmentOf = (env: NonNullable<CommandOptions["env"]>): NonNullable<Sent.CommandExecParams["env"]> =>
  Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      value === undefined ? null : Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
  )

export const paramsOf = Effect.fnUntraced(function*(
  processId: string,
  command: ReadonlyArray<string>,
  options: ExecOptions
): Effect.fn.Return<Sent.CommandExecParams, InvalidArgument> {
  yield* OptionKinds.checkArgument("command", command, {
    expected: "a program and its arguments, as a list of strings",
    fits: (u) => OptionKinds.texts.fits(u) && command.length > 0
  })
  yield* OptionKinds.check(options, optionKinds)
  yield* Settings.permissions({ sandbox: options.sandbox })
  const { cwd, env, maxOutputBytes = defaultMaxOutputBytes, permissions, sandbox, terminal = false } = options
  if (sandbox !== undefined && permissions !== undefined) {
    const detail = "it cannot be combined with `permissions`: both say what the command may do."
    return yield* new InvalidArgument({ argument: "sandbox", detail })
  }
  const timeout = options.timeout === undefined ? Duration.infinity : Duration.fromInputUnsafe(options.timeout)
  return {
    command,
    processId,
    streamStdin: options.stdin ?? true,
    streamStdoutStderr: true,
    tty: terminal !== false,
    // docs/codex-behaviour.md, "A command of command/exec ends after 10 seconds unless its timeout is given".
    ...(Duration.isFinite(timeout)
      ? { timeoutMs: Math.ceil(Duration.toMillis(timeout)) }
      : { disableTimeout: true }),
    ...(maxOutputBytes === "unlimited" ? { disableOutputCap: true } : { outputBytesCap: maxOutputBytes }),
    ...Settings.defined({
      cwd,
      env: env === undefined ? undefined : environmentOf(env),
      size: isSize(terminal) ? sizeOf(terminal) : undefined,
      permissionProfile: permissions,
      sandboxPolicy: sandbox?.policy
    })
  }
})
