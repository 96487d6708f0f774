/** {@link expectations} of examples that connect to an app-server, which has to run. */
import * as Servers from "@effect-codex/test-support/servers"
import { CodexHome } from "@effect-codex/testing"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Expectation } from "./expectations.ts"

export const expectations: Record<string, Expectation> = {
  "remote: 1. Over a WebSocket (1)": {
    answers: ["A letter."],
    effect: "Effect.map(example.program, ({ finalResponse }) => finalResponse.value)",
    live: true,
    server: Effect.gen(function*() {
      const digest = createHash("sha256").update("t0ken").digest("hex")
      const { url } = yield* Servers.onTcp(["--ws-auth", "capability-token", "--ws-token-sha256", digest])
      return { CODEX_URL: url, CODEX_TOKEN: "t0ken" }
    }),
    prints: "A letter."
  },
  "remote: 1. Over a WebSocket (2)": {
    answers: [],
    effect: "Effect.map(Codex.Codex, ({ serverInfo }) => serverInfo.codexHome === process.env.CODEX_HOME)",
    live: true,
    server: Effect.gen(function*() {
      const secret = "0123456789abcdef0123456789abcdef"
      const file = join((yield* CodexHome.CodexHome).path, "codex.secret")
      writeFileSync(file, secret)
      const { url } = yield* Servers.onTcp(
        ["--ws-auth", "signed-bearer-token", "--ws-shared-secret-file", file, "--ws-audience", "codex"]
      )
      return { CODEX_URL: url, CODEX_SECRET: secret }
    }),
    prints: "true"
  },
  "remote: 2. Over a unix socket (1)": {
    answers: ["A letter."],
    effect: "Effect.map(example.program, ({ finalResponse }) => finalResponse.value)",
    live: true,
    server: Effect.map(Servers.onUnix(), ({ path }) => ({ CODEX_SOCKET: path })),
    prints: "A letter."
  }
}
