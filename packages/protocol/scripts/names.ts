/** Gives every definition a unique name. */
import * as path from "node:path"
import type { Definition, Definitions } from "./model.ts"

/** Whether the first protocol and v2 have different definitions of this name. */
export const isInBoth = (definitions: Definitions, id: string): boolean =>
  definitions.has(id.startsWith("v2/") ? path.posix.basename(id) : `v2/${id}`)

/** Appends `Core` to names of the first protocol that have another meaning in v2. */
export const rename = (definitions: Definitions): Definitions => {
  const renamed = new Map<string, Definition>()
  const owners = new Map<string, string>()
  for (const [id, definition] of definitions) {
    const name = !id.startsWith("v2/") && isInBoth(definitions, id) ? `${definition.name}Core` : definition.name
    const owner = owners.get(name)
    if (owner !== undefined) throw new Error(`${id} and ${owner} are both called ${name}: see scripts/names.ts`)
    owners.set(name, id)
    renamed.set(id, { ...definition, name })
  }
  return renamed
}
