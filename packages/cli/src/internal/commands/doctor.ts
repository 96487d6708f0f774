import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"

export const doctor = Command.make(
  "doctor",
  {
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print the report as a line of JSON: { ok, checks: [{ name, status, detail, advice }] }."),
      Flag.withDefault(false)
    ),
    timeout: Flag.String("timeout").pipe(
      Flag.withMetavar("duration"),
      Flag.withDescription("How long one check may take, such as 10s. Default: 30s."),
      Flag.withDefault("30s")
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../doctor/doctor.ts")), ({ doctor }) => doctor(options))
).pipe(
  Command.withDescription(
    "Check whether codex works here, and say what to do where it does not: the executable and its version, CODEX_HOME, the " +
      "configuration, the login, the sandbox, MCP servers and the environment. It asks no model, uses no network of its own, " +
      "and prints no secret. The exit code is 1 if a check has failed."
  ),
  Command.withShortDescription("Check whether codex works here"),
  Command.withExamples([
    { command: "effect-codex doctor", description: "Check everything" },
    {
      command: "effect-codex doctor --json | jq '.checks[] | select(.status != \"ok\")'",
      description: "What is not right"
    }
  ])
)
