/** Finds what the protocol gained, lost and changed between two versions. */
import { classify, isNullable } from "./classify.ts"
import { envelopes as envelopeIds } from "./methods.ts"
import type { Definitions, Field, ObjectType, Type } from "./model.ts"
import type { Older } from "./older.ts"
import { makePrinter } from "./print.ts"
import type { Protocol } from "./protocol.ts"
import { findSides } from "./reach.ts"

export interface Comparison {
  /** The version before. */
  readonly from: string
  readonly to: string
  readonly gained: Array<string>
  readonly lost: Array<string>
  readonly changed: Array<string>
  /** The entries needed to read messages of the older version. */
  readonly older: Array<Older>
}

/** A type as TypeScript on one line. */
const textOf = (definitions: Definitions, type: Type): string =>
  makePrinter(definitions, "closed").printType(type)
    .replaceAll(/\/\*\*.*?\*\//gs, "").replaceAll("readonly ", "").replaceAll("ReadonlyArray<", "Array<")
    .replaceAll(/\n\s*(?=\w+\??:|"\w+":)/g, "; ").replaceAll(/\s+/g, " ").replaceAll("{;", "{").trim().replace(
      /^\| /,
      ""
    )

const refsOf = (type: Type): ReadonlyArray<string> => {
  switch (type.kind) {
    case "ref":
      return [type.id]
    case "array":
      return refsOf(type.item)
    case "record":
      return refsOf(type.value)
    case "object":
      return type.fields.flatMap((field) => refsOf(field.type))
    case "union":
      return type.members.flatMap(refsOf)
    default:
      return []
  }
}

const withoutNull = (type: Type): ReadonlyArray<Type> =>
  type.kind === "union" ? type.members.filter(({ kind }) => kind !== "null") : [type]

const envelopes = {
  clientRequests: ["request", "ClientRequest"],
  serverRequests: ["server request", "ServerRequest"],
  serverNotifications: ["notification", "ServerNotification"],
  clientNotifications: ["client notification", "ClientNotification"]
} as const

export const compare = (before: Protocol, after: Protocol): Comparison => {
  const result: Comparison = { from: before.version, to: after.version, gained: [], lost: [], changed: [], older: [] }
  const until = before.version
  const sides = {
    before: findSides(before.definitions, before.methods),
    after: findSides(after.definitions, after.methods)
  }
  const texts = {
    before: (type: Type) => textOf(before.definitions, type),
    after: (type: Type) => textOf(after.definitions, type)
  }
  const kept = new Set<string>()

  /** Keeps an older type, and the removed definitions that it refers to. */
  const keep = (id: string, type: Type): void => {
    if (kept.has(id) && !id.startsWith("Server") && !id.startsWith("Client")) return
    kept.add(id)
    result.older.push({ until, id, has: texts.before(type) })
    for (const ref of refsOf(type)) {
      const definition = before.definitions.get(ref)
      if (!after.definitions.has(ref) && definition !== undefined) keep(ref, definition.type)
    }
  }

  for (const kind of Object.keys(envelopes) as Array<keyof typeof envelopes>) {
    const [word, envelope] = envelopes[kind]
    const names = (protocol: Protocol) => new Map(protocol.methods[kind].map((method) => [method.name, method]))
    for (const [name, { params, result: reply, stability }] of names(after)) {
      if (names(before).has(name)) continue
      const replies = reply === undefined ? "" : ` → ${texts.after(reply)}`
      const experimental = stability === "experimental" ? ", experimental" : ""
      result.gained.push(`${word} ${name} (${texts.after(params)})${replies}${experimental}`)
    }
    for (const [name, { params, result: reply }] of names(before)) {
      if (names(after).has(name)) continue
      result.lost.push(`${word} ${name}`)
      const fields = [["method", { kind: "literal", value: name }], ["params", params]] as const
      keep(envelope, {
        kind: "object",
        fields: fields.map(([name, type]): Field => ({ name, type, optional: false, doc: undefined }))
      })
      for (const ref of reply === undefined ? [] : refsOf(reply)) {
        const definition = before.definitions.get(ref)
        if (!after.definitions.has(ref) && definition !== undefined) keep(ref, definition.type)
      }
    }
  }

  /** Follows references, except to objects and unions. */
  const resolved = (definitions: Definitions, type: Type): Type => {
    const target = type.kind === "ref" ? definitions.get(type.id)?.type : undefined
    return target === undefined || target.kind === "object" || target.kind === "union"
      ? type
      : resolved(definitions, target)
  }

  /**
   * Whether the open form of `now` accepts all values of `then`. Definitions of the same name are compared separately.
   */
  const isRead = (then: Type, now: Type): boolean => {
    if (then.kind === "ref" && now.kind === "ref" && then.id === now.id) return true
    const [a, b] = [resolved(before.definitions, then), resolved(after.definitions, now)]
    if (b.kind === "unknown" || b.kind === "opaque") return true
    if (a.kind === "union") return a.members.every((member) => isRead(member, b))
    if (b.kind === "union") return b.members.some((member) => isRead(a, member))
    if (b.kind === "ref") return isRead(a, after.definitions.get(b.id)?.type ?? b)
    if (a.kind === "ref") return isRead(before.definitions.get(a.id)?.type ?? a, b)
    if (a.kind === "array" && b.kind === "array") return isRead(a.item, b.item)
    if (a.kind === "record" && b.kind === "record") return isRead(a.value, b.value)
    if (a.kind === "object" && b.kind === "object") return b.fields.every((field) => !isMissed(a, field))
    const kindOf = (type: Type) =>
      type.kind === "literal" ? typeof type.value : type.kind === "integer" ? "number" : type.kind
    return kindOf(a) === kindOf(b)
  }

  /** Whether a current key is missing in the older type, or has values there that cannot be read. */
  const isMissed = (then: ObjectType, now: Field): boolean => {
    const old = then.fields.find(({ name }) => name === now.name)
    const mayMiss = now.optional || isNullable(after.definitions, now.type)
    if (old === undefined || (old.optional && !mayMiss)) return !mayMiss
    return !withoutNull(old.type).every((member) => isRead(member, now.type)) ||
      (isNullable(before.definitions, old.type) && !mayMiss)
  }

  const keepOlder = (id: string, then: Type, now: Type): void => {
    if (then.kind === "object" && now.kind === "object") {
      const missed = now.fields.filter((field) => isMissed(then, field)).map(({ name }) => name)
      const isThere = (name: string) => then.fields.some((field) => field.name === name && !field.optional)
      const lacks = missed.filter((name) => !isThere(name))
      if (lacks.length > 0) result.older.push({ until, id, lacks })
      const had = ({ name }: Field) => missed.includes(name) || !now.fields.some((field) => field.name === name)
      const fields = then.fields.filter(had)
      if (fields.length > 0) keep(id, { kind: "object", fields })
    } else {
      const members = withoutNull(then).filter((member) => !isRead(member, now))
      if (members.length > 0) keep(id, members.length === 1 ? members[0]! : { kind: "union", members })
    }
  }

  for (const [id, { name, type }] of before.definitions) {
    const now = after.definitions.get(id)
    const isSent = sides.before.sent.has(id)
    const isReceived = sides.before.received.has(id)
    if (now === undefined || (!isSent && !isReceived)) continue
    const side = isSent && isReceived ? "" : isSent ? "sent " : "received "
    compareTypes(`${side}${name}`, type, now.type)
    if (isReceived && sides.after.received.has(id)) keepOlder(id, type, now.type)
  }
  return result

  function compareTypes(at: string, a: Type, b: Type): void {
    if (texts.before(a) === texts.after(b)) return
    const [olds, news] = [withoutNull(a), withoutNull(b)]
    const [was, is] = [classify(olds), classify(news)]
    const [x, y] = [olds.length === 1 ? olds[0] : undefined, news.length === 1 ? news[0] : undefined]
    const valuesOf = (union: typeof was) =>
      union.kind === "enum" ? union.values : union.kind === "variants" ? [...union.values, ...union.keys] : []
    if (x?.kind === "object" && y?.kind === "object") {
      compareObjects(at, x, y)
    } else if (valuesOf(was).length > 0 && valuesOf(is).length > 0) {
      for (const value of valuesOf(is)) if (!valuesOf(was).includes(value)) result.gained.push(`${at} "${value}"`)
      for (const value of valuesOf(was)) if (!valuesOf(is).includes(value)) result.lost.push(`${at} "${value}"`)
    } else if (was.kind === "tagged" && is.kind === "tagged" && was.tag === is.tag) {
      const [then, now] = [membersOf(olds, was.tag), membersOf(news, is.tag)]
      for (const [tag, members] of now) {
        const known = then.get(tag)
        if (known === undefined) result.gained.push(`${at} "${tag}"`)
        else if (known.length === 1 && members.length === 1) compareObjects(`${at}(${tag})`, known[0]!, members[0]!)
        else {
          const [was, is] = [known.map(texts.before).join(" | "), members.map(texts.after).join(" | ")]
          if (was !== is) result.changed.push(`${at}(${tag}): ${was} → ${is}`)
        }
      }
      for (const tag of then.keys()) if (!now.has(tag)) result.lost.push(`${at} "${tag}"`)
    } else {
      result.changed.push(`${at}: ${texts.before(a)} → ${texts.after(b)}`)
    }
  }

  function compareObjects(at: string, a: ObjectType, b: ObjectType): void {
    for (const field of b.fields) {
      const old = a.fields.find(({ name }) => name === field.name)
      const where = `${at}.${field.name}${field.optional ? "?" : ""}`
      if (old === undefined) result.gained.push(`${where}: ${texts.after(field.type)}`)
      else if (old.optional !== field.optional) {
        result.changed.push(`${where} is ${field.optional ? "optional" : "required"} now`)
      }
      if (old !== undefined) compareTypes(where, old.type, field.type)
    }
    for (const { name } of a.fields) {
      if (!b.fields.some((field) => field.name === name)) result.lost.push(`${at}.${name}`)
    }
  }
}

const membersOf = (types: ReadonlyArray<Type>, tag: string) =>
  Map.groupBy(types.flatMap((type) => type.kind === "object" ? [type] : []), ({ fields }) => {
    const type = fields.find(({ name }) => name === tag)?.type
    return type?.kind === "literal" ? String(type.value) : ""
  })

const nameOf = (id: string): string => id.split("/").at(-1)!

const kindOf = (envelope: string): string => Object.values(envelopes).find(([, id]) => id === envelope)?.[0] ?? envelope

/** An entry of `older.json` in words. */
const wordsOf = ({ has, id, lacks, until }: Older): string => {
  const method = envelopeIds.includes(id) ? /method: "([^"]+)"/.exec(has ?? "")?.[1] : undefined
  const what = method !== undefined
    ? `the ${kindOf(id)} ${method}`
    : lacks !== undefined
    ? `${nameOf(id)} without ${lacks.join(", ")}`
    : `${nameOf(id)} as ${has}`
  return `${what}, until ${until}`
}

/** The differences, for people. */
export const describe = ({ changed, from, gained, lost, older, to }: Comparison): string => {
  const sections = { gained, lost, changed, "still read, from older servers": older.map(wordsOf) }
  const texts = Object.entries(sections).map(([title, lines]) =>
    lines.length === 0 ? `${title}: nothing` : [`${title}:`, ...lines.map((line) => `  ${line}`)].join("\n")
  )
  return [`The protocol from codex ${from} to ${to}`, ...texts].join("\n\n")
}

/** The entries of `older.json` with those of a comparison, and without changing the ones that people have improved. */
export const addOlder = (known: ReadonlyArray<Older>, found: ReadonlyArray<Older>): ReadonlyArray<Older> => {
  const isKnown = ({ has, id, lacks, until }: Older): boolean =>
    known.some((entry) =>
      entry.id === id &&
      (entry.until === until || JSON.stringify([entry.lacks, entry.has]) === JSON.stringify([lacks, has]))
    )
  return [...known, ...found.filter((entry) => !isKnown(entry))]
}
