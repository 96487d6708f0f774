import type * as AppServer from "@effect-codex/client/AppServer"
import * as Redacted from "effect/Redacted"
import * as PathVariable from "./pathVariable.ts"

type Env = NonNullable<AppServer.Options["env"]>

/** Puts `folder` first on the child's PATH. Returns `env` with the change; `env` is merged over `parent`. */
export const prepend = (
  folder: string,
  env: Env,
  parent: { readonly [name: string]: string | undefined },
  platform: string
): Env =>
  PathVariable.prepend(
    folder,
    env,
    parent,
    platform,
    (value: Redacted.Redacted<string>, change) => Redacted.make(change(Redacted.value(value)))
  )
