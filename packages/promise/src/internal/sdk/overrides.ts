/** Encodes configuration overrides for `--config`, with the SDK's messages for invalid ones. */
import { encode, type Problem } from "@effect-codex/client/ConfigOverrides"
import type { CodexConfigObject } from "./types.ts"

const words = ({ detail, path, reason }: Problem): string => {
  switch (reason) {
    case "emptyKey":
      return "Codex config override keys must be non-empty strings"
    case "notFinite":
      return `Codex config override at ${path} must be a finite number`
    case "null":
      return `Codex config override at ${path} cannot be null`
    case "unsupported":
      // The detail begins with the type.
      return `Unsupported Codex config override value at ${path}: ${detail.split(" ", 1)[0]}`
    default:
      return `Codex config override at ${path}: ${detail}`
  }
}

export const flatten = (config: CodexConfigObject): ReadonlyArray<string> => {
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw new Error("Codex config overrides must be a plain object")
  }
  const { problems: [problem], texts } = encode(config)
  if (problem !== undefined) throw new Error(words(problem))
  return texts
}
