/** What all parts of a page need to know. */
import type { Price } from "@effect-codex/client/Pricing"
import type * as ThreadView from "@effect-codex/client/ThreadView"
import type { Places } from "./places.ts"

export interface Context {
  readonly view: ThreadView.ThreadView
  readonly places: Places
  /** The longest text of a tool that is shown whole, in characters. */
  readonly maxOutput: number
  readonly price: Price
  /** What a cost is in, such as `$`. */
  readonly currency: string
  /** The folder that paths are shown relative to. */
  readonly cwd: string | undefined
  /** The subagents that the page has shown already, each once. */
  readonly shown: Set<string>
  /** How many of an agent's turns, and of a turn's items, are shown: the last ones. */
  readonly most: { readonly turns: number; readonly items: number }
}

/** A path below the folder of the thread, as it is called there. */
export const relative = ({ cwd }: Context, path: string): string => {
  if (cwd === undefined || cwd === "") return path
  const folder = /[/\\]$/.test(cwd) ? cwd : `${cwd}/`
  return path.startsWith(folder) ? path.slice(folder.length) : path
}
