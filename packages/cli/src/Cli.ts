/**
 * The command line of `effect-codex`.
 *
 * @since 0.1.0
 */
import * as Command from "effect/cli/Command"
import { account } from "./internal/commands/account.ts"
import { chat } from "./internal/commands/chat.ts"
import { doctor } from "./internal/commands/doctor.ts"
import { fakeAppServer } from "./internal/commands/fakeAppServer.ts"
import { login } from "./internal/commands/login.ts"
import { logout } from "./internal/commands/logout.ts"
import { mcp } from "./internal/commands/mcp.ts"
import { record } from "./internal/commands/record.ts"
import { replay } from "./internal/commands/replay.ts"
import { report } from "./internal/commands/report.ts"
import { run } from "./internal/commands/run.ts"
import { threads } from "./internal/commands/threads.ts"
import { watch } from "./internal/commands/watch.ts"

/**
 * The `effect-codex` command with all its subcommands. Run it with `Command.run`.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("effect-codex").pipe(
  Command.withDescription("Codex in a terminal"),
  Command.withSubcommands([
    run,
    chat,
    threads,
    report,
    watch,
    record,
    replay,
    login,
    logout,
    account,
    doctor,
    mcp,
    fakeAppServer
  ])
)
