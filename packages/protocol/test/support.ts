import type * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Methods from "../src/Methods.ts"

export interface Frame {
  readonly name: string
  readonly schema: Schema.Codec<unknown>
  readonly value: unknown
}

type Recorded =
  | { readonly kind: "clientRequest"; readonly method: keyof Methods.ClientRequests; readonly result: unknown }
  | { readonly kind: "serverRequest"; readonly method: keyof Methods.ServerRequests; readonly params: unknown }
  | {
    readonly kind: "serverNotification"
    readonly method: keyof Methods.ServerNotifications
    readonly params: unknown
  }

const recorded: ReadonlyArray<Recorded> = JSON.parse(
  fs.readFileSync(path.join(import.meta.dirname, "fixtures", "frames.json"), "utf8")
)

/** What `scripts/record.ts` recorded, with the schema that guards it. */
export const frames: ReadonlyArray<Frame> = recorded.map((frame) => {
  const name = `${frame.kind} ${frame.method}`
  switch (frame.kind) {
    case "clientRequest":
      return { name, schema: Methods.clientRequests[frame.method].result(), value: frame.result }
    case "serverRequest":
      return { name, schema: Methods.serverRequests[frame.method].params(), value: frame.params }
    case "serverNotification":
      return { name, schema: Methods.serverNotifications[frame.method].params(), value: frame.params }
  }
})

export type Path = ReadonlyArray<string>

/** Every value inside a value, itself included. */
export function* inside(value: unknown, at: Path = []): Generator<{ readonly at: Path; readonly value: unknown }> {
  yield { at, value }
  if (typeof value === "object" && value !== null) {
    for (const [key, child] of Object.entries(value)) yield* inside(child, [...at, key])
  }
}

/** A copy with another value at the path; `undefined` removes the key. */
export const replace = (value: unknown, at: Path, by: unknown): unknown => {
  const [key, ...rest] = at
  if (key === undefined) return by
  if (Array.isArray(value)) return value.map((item, index) => String(index) === key ? replace(item, rest, by) : item)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, child]) => {
      if (name !== key) return [[name, child]]
      const replaced = replace(child, rest, by)
      return replaced === undefined ? [] : [[name, replaced]]
    })
  )
}
