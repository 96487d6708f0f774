/** Finds the differences between two runs, field by field, and tells those that are listed from those that are not. */
import type { Schema } from "effect"
import type { Noted, Run } from "./normalize.ts"
import { isObject } from "./normalize.ts"
import type { Face } from "./python.ts"

export type Part = keyof Run

export const parts: ReadonlyArray<Part> = ["frames", "results", "events", "errors"]

export interface Difference {
  readonly scenario: string
  readonly face: Face
  readonly part: Part
  /** The place: what it is of, and the path in it, such as `turn/start params.effort`. */
  readonly at: string
  /** Undefined where only the other has it. */
  readonly python: Schema.Json | undefined
  readonly ours: Schema.Json | undefined
}

/** A difference that is meant. */
export interface Listed {
  readonly id: string
  /** The places in each part, where `*` stands for any text. */
  readonly at: { readonly [P in Part]?: ReadonlyArray<string> }
  /** The scenarios that it is limited to. Default: all. */
  readonly scenarios?: ReadonlyArray<string>
  /** What Python does. */
  readonly python: string
  /** What this library does. */
  readonly here: string
  readonly why: string
}

const isArray = (value: Schema.Json | undefined): value is ReadonlyArray<Schema.Json> => Array.isArray(value)

type Found = Pick<Difference, "at" | "python" | "ours">

const join = (path: string, name: string): string => path === "" || name === "[]" ? `${path}${name}` : `${path}.${name}`

const fields = (
  at: string,
  python: Schema.Json | undefined,
  ours: Schema.Json | undefined
): ReadonlyArray<Found> => {
  if (isArray(python) && isArray(ours) && python.length === ours.length) {
    return python.flatMap((element, i) => fields(join(at, "[]"), element, ours[i]))
  }
  if (isObject(python) && isObject(ours)) {
    return [...new Set([...Object.keys(python), ...Object.keys(ours)])].flatMap((key) =>
      fields(join(at, key), python[key], ours[key])
    )
  }
  return python === ours || JSON.stringify(python) === JSON.stringify(ours) ? [] : [{ at, python, ours }]
}

/** Aligns two lists by their keys: the longest common subsequence. */
const align = (
  python: ReadonlyArray<Noted>,
  ours: ReadonlyArray<Noted>
): ReadonlyArray<readonly [Noted | undefined, Noted | undefined]> => {
  const common = Array.from({ length: python.length + 1 }, () => Array.from({ length: ours.length + 1 }, () => 0))
  for (let i = python.length - 1; i >= 0; i--) {
    for (let j = ours.length - 1; j >= 0; j--) {
      common[i]![j] = python[i]!.key === ours[j]!.key
        ? common[i + 1]![j + 1]! + 1
        : Math.max(common[i + 1]![j]!, common[i]![j + 1]!)
    }
  }
  const pairs: Array<readonly [Noted | undefined, Noted | undefined]> = []
  let i = 0
  let j = 0
  while (i < python.length || j < ours.length) {
    if (i < python.length && j < ours.length && python[i]!.key === ours[j]!.key) pairs.push([python[i++], ours[j++]])
    else if (j >= ours.length || (i < python.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      pairs.push([python[i++], undefined])
    } else pairs.push([undefined, ours[j++]])
  }
  return pairs
}

const separated = ({ at, ...found }: Found, key: string): Found => ({
  ...found,
  at: at === "" ? key : `${key} ${at}`
})

export const compare = (scenario: string, face: Face, python: Run, ours: Run): ReadonlyArray<Difference> =>
  parts.flatMap((part) =>
    align(python[part], ours[part]).flatMap(([one, other]) => {
      const key = one?.key ?? other?.key ?? ""
      const found: ReadonlyArray<Found> = one === undefined || other === undefined
        ? [{ at: "", python: one?.value, ours: other?.value }]
        : fields("", one.value, other.value)
      return found.map((difference) => ({ scenario, face, part, ...separated(difference, key) }))
    })
  )

const pattern = (glob: string): RegExp =>
  new RegExp(`^${glob.split("*").map((text) => text.replaceAll(/[\\^$.+?()[\]{}|]/g, "\\$&")).join(".*")}$`)

export const matches = (listed: Listed, { at, part, scenario }: Difference): boolean =>
  listed.scenarios?.includes(scenario) !== false && listed.at[part]?.some((glob) => pattern(glob).test(at)) === true

/** The row of a difference; undefined if it is not listed. */
export const rowOf = (difference: Difference, listed: ReadonlyArray<Listed>): Listed | undefined =>
  listed.find((row) => matches(row, difference))
