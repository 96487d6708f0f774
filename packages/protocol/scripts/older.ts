/**
 * Keys that older servers do not send, although today's types have them always: found by comparing the types that those
 * versions generate (0.150 to 0.166).
 */
import type { Definition, Definitions } from "./model.ts"

export const olderKeys: { readonly [id: string]: ReadonlyArray<string> } = {
  // Since 0.156 to 0.160.
  "v2/ThreadStartResponse": ["disabledPluginIds"],
  "v2/ThreadResumeResponse": ["disabledPluginIds"],
  "v2/ThreadForkResponse": ["disabledPluginIds"],
  "v2/ThreadSettings": ["disabledPluginIds"],
  // Since 0.164 to 0.166.
  "v2/ManagedHooksRequirements": ["PreModelRequest", "PostModelRequest"]
}

/** Makes these keys optional. They are in definitions that are only received. */
export const allowOlder = (definitions: Definitions, sent: ReadonlySet<string>): Definitions => {
  const allowed = new Map<string, Definition>(definitions)
  for (const [id, names] of Object.entries(olderKeys)) {
    const definition = definitions.get(id)
    if (definition?.type.kind !== "object" || sent.has(id)) throw new Error(`${id} is no object that is only received`)
    const { fields, ...type } = definition.type
    for (const name of names) {
      if (!fields.some((field) => field.name === name)) throw new Error(`${id} has no key ${name}`)
    }
    const optional = fields.map((field) => names.includes(field.name) ? { ...field, optional: true } : field)
    allowed.set(id, { ...definition, type: { ...type, fields: optional } })
  }
  return allowed
}
