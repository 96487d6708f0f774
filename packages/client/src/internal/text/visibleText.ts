/**
 * Makes text from others (the model, its tools, the provider, a file) safe to show: writes as an escape every
 * character that a terminal would obey, or that hides text or changes its direction.
 */

/**
 * Controls, formats (directions, joiners, tags), lone surrogates, private-use characters and noncharacters, line
 * separators, and everything that Unicode lets a font omit. The blank braille pattern is invisible but not a space.
 */
const hidden = String.raw`\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}` +
  String.raw`\p{Noncharacter_Code_Point}\u2800`

const escape = (character: string): string => `\\u{${character.codePointAt(0)!.toString(16)}}`

// Joiners inside an emoji are visible as the emoji itself.
const pictograph = String.raw`\p{Extended_Pictographic}\p{Emoji_Modifier}?\ufe0f?`
const emoji = String.raw`${pictograph}(?:\u200d${pictograph})*|[0-9#*]\ufe0f\u20e3`

const compile = (set: string) => ({
  isHidden: new RegExp(`[${set}]`, "v"),
  emojiOrHidden: new RegExp(`(${emoji})|[${set}]`, "gv")
})

/** @param plain matches texts that have nothing to escape, as most texts. */
const escaping = (set: string, plain: RegExp) => {
  // Compiling takes milliseconds, which not every program needs.
  let compiled: ReturnType<typeof compile> | undefined
  return (text: string): string => {
    if (plain.test(text)) return text
    const { emojiOrHidden, isHidden } = compiled ??= compile(set)
    return isHidden.test(text) ? text.replace(emojiOrHidden, (found, emoji?: string) => emoji ?? escape(found)) : text
  }
}

/** Escapes all but line breaks and tabs. */
export const visibleLines = escaping(String.raw`[${hidden}]--[\n\t]`, /^[ -~\n\t]*$/)

/** Tabs stay. */
export const visibleLine = escaping(String.raw`[${hidden}]--\t`, /^[ -~\t]*$/)

/** The beginning of a text, without half a surrogate pair at its end. */
export const beginning = (text: string, length: number): string => {
  const cut = text.slice(0, length)
  return cut.length < text.length ? cut.replace(/[\ud800-\udbff]$/, "") : cut
}

const defaultLength = 1000

/** Shows text on one line, cut after `length` characters with a note of how many are left out. Tabs stay. */
export const visible = (text: string, length = defaultLength): string => {
  const shown = visibleLine(text)
  const kept = beginning(shown, length)
  const rest = shown.length - kept.length
  // A cut inside an emoji leaves its joiners bare, so escape again.
  return rest > 0 ? `${visibleLine(kept)}… (${rest} more characters)` : shown
}

/** As {@link visible}, with the end of a text that is too long: what matters may stand there. */
export const visibleEnds = (text: string, length = defaultLength): string => {
  const shown = visibleLine(text)
  if (shown.length <= length) return shown
  const head = beginning(shown, Math.ceil(length * 0.6))
  const tail = shown.slice(head.length - length).replace(/^[\udc00-\udfff]/, "")
  const rest = shown.length - head.length - tail.length
  return `${visibleLine(head)}… (${rest} more characters) …${visibleLine(tail)}`
}
