/** Finds which definitions are sent and which are received. */
import { envelopes, type Method, type Methods } from "./methods.ts"
import { type Definitions, lookup, type Type } from "./model.ts"

export interface Sides {
  readonly sent: ReadonlySet<string>
  readonly received: ReadonlySet<string>
  /** Received types that could not be read and are `unknown`. */
  readonly opaque: ReadonlySet<string>
}

const reach = (
  definitions: Definitions,
  roots: ReadonlyArray<Type>,
  onOpaque: (what: string) => void
): Set<string> => {
  const reached = new Set<string>()
  const visit = (type: Type): void => {
    switch (type.kind) {
      case "ref":
        if (reached.has(type.id)) return
        reached.add(type.id)
        return visit(lookup(definitions, type.id).type)
      case "opaque":
        return onOpaque(type.what)
      case "array":
        return visit(type.item)
      case "record":
        return visit(type.value)
      case "object":
        if (type.rest !== undefined) visit(type.rest)
        return type.fields.forEach((field) => visit(field.type))
      case "union":
      case "intersection":
        return type.members.forEach(visit)
    }
  }
  roots.forEach(visit)
  return reached
}

export const findSides = (definitions: Definitions, methods: Methods): Sides => {
  const params = (list: ReadonlyArray<Method>) => list.map((method) => method.params)
  const results = (list: ReadonlyArray<Method>) => list.flatMap((method) => method.result ?? [])
  const sent = reach(definitions, [
    ...params(methods.clientRequests),
    ...params(methods.clientNotifications),
    ...results(methods.serverRequests)
  ], (what) => {
    throw new Error(`The generator cannot read a type that is sent: ${what}`)
  })
  // Unused definitions count as received: a later server may send them in a field of unknown type.
  const unused = [...definitions.keys()].filter((id) => !sent.has(id) && !envelopes.includes(id))
  const opaque = new Set<string>()
  const received = reach(definitions, [
    ...results(methods.clientRequests),
    ...params(methods.serverNotifications),
    ...params(methods.serverRequests),
    ...unused.map((id): Type => ({ kind: "ref", id }))
  ], (what) => opaque.add(what))
  return { sent, received, opaque }
}
