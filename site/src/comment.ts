/** Reads JSDoc comments. The text keeps its Markdown; only its tags and links are understood here. */

export interface Comment {
  readonly text: string
  readonly category: string | undefined
  readonly since: string | undefined
  readonly see: ReadonlyArray<string>
  /** Parameters, and what else has a name: `@param name what it is`. */
  readonly others: ReadonlyArray<{ readonly tag: string; readonly text: string }>
  readonly isInternal: boolean
}

export const parseComment = (raw: string): Comment => {
  const lines = raw.replace(/^\/\*\*[^\S\n]*/, "").replace(/\*\/$/, "").split("\n").map((line) =>
    line.replace(/^\s*\* ?/, "")
  )
  const blocks: Array<{ tag: string; text: string }> = [{ tag: "", text: "" }]
  let isInFence = false
  for (const line of lines) {
    if (line.trimStart().startsWith("```")) isInFence = !isInFence
    const tag = isInFence ? null : /^@(\w+)\s*(.*)$/.exec(line)
    if (tag === null) blocks.at(-1)!.text += `${line}\n`
    else blocks.push({ tag: tag[1]!, text: `${tag[2]}\n` })
  }
  const named = (name: string) => blocks.filter(({ tag }) => tag === name).map(({ text }) => text.trim())
  return {
    text: named("").join("\n\n").trim(),
    category: named("category")[0],
    since: named("since")[0],
    see: named("see"),
    others: blocks.filter(({ tag }) => !["", "category", "since", "see", "internal"].includes(tag)).map(
      ({ tag, text }) => ({ tag, text: text.trim() })
    ),
    isInternal: named("internal").length > 0
  }
}

/** Replaces the links of a text outside of its code blocks. `{@link Name}`, `{@link Name text}`. */
export const replaceLinks = (text: string, replace: (name: string, label: string) => string): string =>
  text.split(/(^```[^]*?^```)/m).map((part) =>
    part.startsWith("```")
      ? part
      : part.replaceAll(
        /\{@link(?:code|plain)?\s+([^\s}|]+)(?:\s*\|\s*|\s+)?([^}]*)\}/g,
        (_, name: string, label: string) => replace(name, label.trim())
      )
  ).join("")

/** The first sentence of a text, on one line. */
export const firstSentence = (text: string): string => {
  const paragraph = text.split(/\n\s*\n/)[0]!.replaceAll(/\s*\n\s*/g, " ").trim()
  return /^(?:`[^`]*`|[^`])*?[.!?](?=\s|$)/.exec(paragraph)?.[0] ?? paragraph
}
