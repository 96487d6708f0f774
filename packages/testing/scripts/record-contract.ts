/**
 * Runs the cases of the contract on the installed codex, and writes its frames to
 * `src/internal/contract/transcripts.ts`. Review the difference before you commit it: it shows what the new codex does
 * differently.
 *
 *     node --conditions=@effect-codex/source packages/testing/scripts/record-contract.ts
 */
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { Contract } from "@effect-codex/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import { transcripts } from "../src/internal/contract/transcripts.ts"
import { layerReal } from "../test/support/contractServers.ts"

const file = fileURLToPath(new URL("../src/internal/contract/transcripts.ts", import.meta.url))

const program = Effect.gen(function*() {
  const recorded: Record<string, ReadonlyArray<string>> = {}
  for (const { effect, name } of Contract.cases) {
    yield* Console.error(`${name} ${new Date().toISOString().slice(14)}`)
    const failure = yield* effect.pipe(
      Effect.scoped,
      Effect.timeout("30 seconds"),
      Effect.as(undefined),
      Effect.catch((error) => Effect.succeed(error))
    )
    if (failure === undefined) {
      if (transcripts[name] !== undefined) recorded[name] = transcripts[name]
    } else if (failure instanceof Contract.ContractFailure && failure.what === name) {
      recorded[name] = failure.server
    } else {
      // The case failed for another reason, so keep the previous transcript.
      if (transcripts[name] !== undefined) recorded[name] = transcripts[name]
      yield* Console.error(`${name}: ${String(failure)}`)
    }
  }
  const entries = Object.entries(recorded).map(([name, lines]) =>
    `  ${JSON.stringify(name)}: [\n${lines.map((line) => `    ${JSON.stringify(line)}`).join(",\n")}\n  ]`
  )
  Fs.writeFileSync(
    file,
    `/** What codex ${codexVersion} sends in the cases of the contract. Written by scripts/record-contract.ts. */\n` +
      `export const transcripts: { readonly [name: string]: ReadonlyArray<string> } = {\n${entries.join(",\n")}\n}\n`
  )
}).pipe(Effect.provide(layerReal))

NodeRuntime.runMain(program)
