/** The protocol of one version of codex. */
import type { Generated } from "./codex.ts"
import { findMethods, type Methods } from "./methods.ts"
import type { Definitions } from "./model.ts"
import { rename } from "./names.ts"
import { normalize } from "./normalize.ts"
import { parse } from "./parse.ts"

export interface Protocol {
  readonly version: string
  readonly definitions: Definitions
  /** The definitions without the experimental API. */
  readonly stable: Definitions
  readonly methods: Methods
}

export const readProtocol = (generated: Generated): Protocol => {
  const definitions = normalize(rename(parse(generated.types)))
  const stable = rename(parse(generated.stableTypes))
  return { version: generated.codexVersion, definitions, stable, methods: findMethods(definitions, stable) }
}
