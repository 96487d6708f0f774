/** Refuses up front what `codex exec` refuses, with the same messages. Does not import Effect, for `early.ts`. */
import { existsSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import type * as Sdk from "./types.ts"

/** Everything that a turn of the drop-in needs. */
export interface Run {
  readonly codexOptions: Sdk.CodexOptions
  readonly threadOptions: Sdk.ThreadOptions
  readonly turnOptions: Sdk.TurnOptions
  readonly input: Sdk.Input
  readonly threadId: string | null
}

type JsonObject = { readonly [key: string]: never }

const isJsonObject = (u: unknown): u is JsonObject => typeof u === "object" && u !== null && !Array.isArray(u)

/** The SDK's message, so that a program that parses it keeps working. */
export const exited = (detail: string, cause?: unknown) => new Error(`Codex Exec exited with ${detail}`, { cause })

export const preamble = "code 1: Reading prompt from stdin...\n"

const isInRepository = (folder: string): boolean =>
  existsSync(join(folder, ".git")) || (dirname(folder) !== folder && isInRepository(dirname(folder)))

/** Throws what the SDK would reject with. Returns the schema of the answer. */
export const check = ({ threadOptions, turnOptions: { outputSchema } }: Run): JsonObject | undefined => {
  if (outputSchema !== undefined && !isJsonObject(outputSchema)) {
    throw new Error("outputSchema must be a plain JSON object")
  }
  if (threadOptions.skipGitRepoCheck !== true && !isInRepository(resolve(threadOptions.workingDirectory ?? "."))) {
    throw exited(`${preamble}Not inside a trusted directory and --skip-git-repo-check was not specified.\n`)
  }
  if (threadOptions.approvalPolicy === "untrusted") {
    throw exited(`code 1: Error: approval_policy = "untrusted" is no longer supported; remove this setting\n`)
  }
  return outputSchema
}
