/** A part of the picture below the first. */
import type { Figure } from "../measure.ts"

export interface Panel {
  readonly height: number
  /** Drawn from its own top. */
  readonly svg: string
}

/** Draws a panel, if its figures were measured. */
export type Draw = (figures: ReadonlyArray<Figure>) => Panel | undefined

/** A number as short as its size allows. */
export const short = (n: number): string =>
  n >= 100 ? Math.round(n).toLocaleString("en") : n >= 10 ? n.toFixed(0) : n.toFixed(1)

export const title = (text: string, below: string): string =>
  `<text class="title" x="24" y="36">${text}</text>\n<text class="quiet" x="24" y="58">${below}</text>`
