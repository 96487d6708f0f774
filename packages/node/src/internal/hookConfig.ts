/** How codex is told to run the hooks of this program, and whether it does. */
import type { Table } from "@effect-codex/client/ConfigOverrides"
import * as Predicate from "effect/Predicate"
import { createHash } from "node:crypto"
import type { EventName, Installed } from "./installedHooks.ts"

// codex kills a hook that takes longer, and then goes on as without it. The deadline of the program comes first.
const seconds = 10 * 365 * 24 * 60 * 60

// docs/codex-behaviour.md, "A hook runs when the hash of its definition is trusted". The names of paths are codex's.
const keyOf = (event: EventName): string => `/<session-flags>/config.toml:${snakeCase(event)}:0:0`

const snakeCase = (name: string): string => name.replaceAll(/(?<=.)[A-Z]/g, "_$&").toLowerCase()

/**
 * Sends the token, the event and what codex says to the socket, and prints the answer. `codex app-server proxy` is the
 * cheapest way to a unix socket that is there wherever codex is.
 *
 * Without an answer a closed hook ends with 2 and a reason, which denies. codex ignores a 2 without a reason.
 */
const script = `IFS= read -r token < "$2/token" ` +
  `&& answer=$({ printf "%s %s " "$token" "$3"; cat; } | "$1" app-server proxy --sock "$2/socket" 2>/dev/null) ` +
  `&& [ -n "$answer" ] && { printf "%s" "$answer"; exit 0; }; ` +
  `echo "The program that runs this agent did not answer." >&2; exit "$4"`

// Works in shells of the POSIX kind and in fish: codex runs the command with the shell of the user.
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

const commandOf = (event: EventName, isClosed: boolean, executable: string, folder: string): string =>
  `exec /bin/sh -c ${quoted(script)} sh ${quoted(executable)} ${quoted(folder)} ${event} ${isClosed ? 2 : 0}`

const hashOf = (event: EventName, command: string): string => {
  // As codex writes it: the keys are sorted.
  const hook = { async: false, command, timeout: seconds, type: "command" }
  const identity = JSON.stringify({ event_name: snakeCase(event), hooks: [hook] })
  return `sha256:${createHash("sha256").update(identity).digest("hex")}`
}

/** The overrides that install the hooks, and the trust in them. */
export const overrides = ({ events, isClosed }: Installed, executable: string, folder: string): Table => {
  const hooks = events.map((event) => ({ event, command: commandOf(event, isClosed(event), executable, folder) }))
  return {
    "features.hooks": true,
    ...Object.fromEntries(hooks.map(({ command, event }) => [
      `hooks.${event}`,
      [{ hooks: [{ type: "command", command, timeout: seconds }] }]
    ])),
    "hooks.state": Object.fromEntries(
      hooks.map(({ command, event }) => [keyOf(event), { enabled: true, trusted_hash: hashOf(event, command) }])
    )
  }
}

const isTrusted = (hook: object, event: EventName): boolean =>
  Predicate.hasProperty(hook, "key") && hook.key === keyOf(event) &&
  Predicate.hasProperty(hook, "enabled") && hook.enabled === true &&
  Predicate.hasProperty(hook, "trustStatus") && hook.trustStatus === "trusted"

/** The events whose hooks codex does not run, as its answer to `hooks/list` says. */
export const missing = ({ events }: Installed, listed: ReadonlyArray<object>): ReadonlyArray<EventName> =>
  events.filter((event) => !listed.some((hook) => isTrusted(hook, event)))
