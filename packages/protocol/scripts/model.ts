/** The generator's model of the protocol's types. */

export type Literal = string | number | boolean

export type Type =
  | { readonly kind: "string" | "boolean" | "number" | "integer" | "null" | "undefined" | "unknown" }
  | { readonly kind: "literal"; readonly value: Literal }
  /** A type that the generator cannot read: `unknown` if received, an error if sent. */
  | { readonly kind: "opaque"; readonly what: string }
  | { readonly kind: "ref"; readonly id: string }
  | { readonly kind: "array"; readonly item: Type }
  | { readonly kind: "record"; readonly value: Type }
  | { readonly kind: "object"; readonly fields: ReadonlyArray<Field>; readonly rest?: Type }
  | { readonly kind: "union"; readonly members: ReadonlyArray<Type> }
  | { readonly kind: "intersection"; readonly members: ReadonlyArray<Type> }

export type ObjectType = Extract<Type, { readonly kind: "object" }>

export interface Field {
  readonly name: string
  readonly type: Type
  readonly optional: boolean
  readonly doc: string | undefined
}

export interface Definition {
  /** The path of its file without extension, for example `v2/ThreadItem`: unique, unlike the name. */
  readonly id: string
  readonly name: string
  readonly type: Type
  readonly doc: string | undefined
}

export type Definitions = ReadonlyMap<string, Definition>

/** The type of JSON values, the only recursive one. It is written by hand. */
export const jsonValueId = "serde_json/JsonValue"

export const lookup = (definitions: Definitions, id: string): Definition => {
  const definition = definitions.get(id)
  if (definition === undefined) throw new Error(`There is no definition ${id}`)
  return definition
}
