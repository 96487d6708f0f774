/**
 * Builds markup. What is put into a template is text, whoever wrote it: it is escaped, and what it hides is made
 * visible. Only what another template has made is markup.
 */
import { visibleLines } from "@effect-codex/client/internal/text/visibleText"

export class Html {
  readonly markup: string
  constructor(markup: string) {
    this.markup = markup
  }
}

export type Part = Html | string | number | false | null | undefined | ReadonlyArray<Part>

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&#39;"
}

export const escape = (text: string): string => visibleLines(text).replace(/[&<>"']/g, (found) => entities[found]!)

const markupOf = (part: Part): string => {
  if (part === undefined || part === null || part === false) return ""
  if (part instanceof Html) return part.markup
  if (typeof part === "object") return part.map(markupOf).join("")
  return escape(String(part))
}

/** Attributes have to be in double quotes, and none of them may be a handler or take a link from others. */
export const html = (strings: TemplateStringsArray, ...parts: ReadonlyArray<Part>): Html =>
  new Html(strings.reduce((all, text, i) => all + markupOf(parts[i - 1]) + text))

export const none = new Html("")
