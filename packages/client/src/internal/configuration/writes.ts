/** Changes of the user's `config.toml`. */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { InvalidArgument } from "../../CodexError.ts"
import type { Configuration, Edit, Key, WriteOptions, Written } from "../../Configuration.ts"
import * as OptionKinds from "../options.ts"
import type { Rpc } from "../rpcInternals.ts"
import { defined } from "../settings/settings.ts"
import { writeErrors } from "./refusals.ts"

// docs/codex-behaviour.md, "A path of a key has no escapes but of quotes and backslashes".
const part = (name: string): string => /^[A-Za-z0-9_-]+$/.test(name) ? name : `"${name.replaceAll(/["\\]/g, "\\$&")}"`

/** A key as the server reads it. */
const pathOf = (key: Key): string => Predicate.isString(key) ? key : key.map(part).join(".")

const keyKind: OptionKinds.Kind = {
  expected: "a dotted path, or a list of its parts",
  fits: (u) => Predicate.isString(u) || OptionKinds.texts.fits(u) && Array.isArray(u) && u.length > 0
}

const editKinds = { key: keyKind, merge: OptionKinds.oneOf("replace", "upsert") }

const writeKinds = { expectedVersion: OptionKinds.text, reload: OptionKinds.flag }

// docs/codex-behaviour.md, "codex writes a configuration that it cannot read". It reads one level more.
const maxDepth = 80

const isDeeper = (value: unknown, levels: number): boolean =>
  Predicate.isObjectOrArray(value) && (levels <= 0 || Object.values(value).some((one) => isDeeper(one, levels - 1)))

const depthOf = (key: Key): number => Predicate.isString(key) ? key.split(".").length : key.length

const sent = Effect.fnUntraced(function*({ key, merge, value }: Edit) {
  yield* OptionKinds.checkArgument("key", key, keyKind)
  // JSON would drop the value, and the server would take it as null, which removes the key.
  if (value === undefined) {
    return yield* new InvalidArgument({ argument: "value", detail: "expected a value, or null to remove the key." })
  }
  if (isDeeper(value, maxDepth - depthOf(key))) {
    return yield* new InvalidArgument({
      argument: "value",
      detail: `nested more than ${maxDepth} levels deep, with those of the key: codex could not read its file again.`
    })
  }
  return { keyPath: pathOf(key), value, mergeStrategy: merge ?? "replace" } satisfies Sent.ConfigEdit
})

export const writtenOf = (reply: Received.ConfigWriteResponse): Written => ({
  version: reply.version,
  file: reply.filePath,
  overridden: Option.fromNullishOr(reply.overriddenMetadata)
})

export const make = (rpc: Rpc): Pick<Configuration["Service"], "write" | "writeAll"> => {
  const writeAll = Effect.fnUntraced(function*(edits: ReadonlyArray<Edit>, options: WriteOptions | undefined) {
    const { expectedVersion, reload: reloadUserConfig } = options ?? {}
    const params = { edits: yield* Effect.forEach(edits, sent), ...defined({ expectedVersion, reloadUserConfig }) }
    // `filePath` is left out: the server refuses any other file than its default.
    return writtenOf(yield* rpc.request("config/batchWrite", params).pipe(writeErrors))
  })
  return {
    write: Effect.fn("Configuration.write")(function*(key, value, options) {
      yield* OptionKinds.check(options, { ...writeKinds, merge: editKinds.merge })
      return yield* writeAll([{ key, value, merge: options?.merge }], options)
    }),
    writeAll: Effect.fn("Configuration.writeAll")(function*(edits, options) {
      yield* OptionKinds.checkArgument("edits", edits, OptionKinds.list)
      for (const [index, edit] of edits.entries()) {
        yield* OptionKinds.checkArgument(`edits[${index}]`, edit, OptionKinds.record)
        yield* OptionKinds.check(edit, editKinds)
      }
      yield* OptionKinds.check(options, writeKinds)
      return yield* writeAll(edits, options)
    })
  }
}
