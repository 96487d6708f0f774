/** Gives every definition a name of its own. */
import type { Definition, Definitions } from "./model.ts"

/** Definitions of the first protocol whose name means something else in v2: they are suffixed with `Core`. */
export const collisions: ReadonlyArray<string> = [
  "ExecPolicyAmendment",
  "NetworkPolicyAmendment",
  "NetworkPolicyRuleAction",
  "SessionSource",
  "WebSearchAction"
]

export const rename = (definitions: Definitions): Definitions => {
  const byName = Map.groupBy(definitions.values(), (definition) => definition.name)
  const found = [...byName].filter(([, same]) => same.length > 1).map(([name]) => name).sort()
  if (found.join() !== collisions.join()) {
    throw new Error(`The names used twice are now ${found.join(", ")}: see scripts/names.ts`)
  }
  const renamed = new Map<string, Definition>()
  for (const [id, definition] of definitions) {
    const name = collisions.includes(id) ? `${id}Core` : definition.name
    if (name !== definition.name && byName.has(name)) throw new Error(`${name} is the name of another definition`)
    renamed.set(id, { ...definition, name })
  }
  return renamed
}
