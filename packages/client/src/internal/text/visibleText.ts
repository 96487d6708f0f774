/**
 * Text of others (the model, its tools, the provider, a file), made safe to show: what a terminal would obey, and what hides
 * or changes the direction of text, is written as an escape.
 */

/**
 * Controls, formats (directions, joiners, tags), halves of characters, private and impossible ones, separators of lines, and
 * all that Unicode lets a font leave out. The blank pattern of braille is empty and no space.
 */
const hidden = String.raw`\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}` +
  String.raw`\p{Noncharacter_Code_Point}\u2800`

const escape = (character: string): string => `\\u{${character.codePointAt(0)!.toString(16)}}`

// What holds an emoji together shows in the emoji.
const pictograph = String.raw`\p{Extended_Pictographic}\p{Emoji_Modifier}?\ufe0f?`
const emoji = String.raw`${pictograph}(?:\u200d${pictograph})*|[0-9#*]\ufe0f\u20e3`

const escaping = (set: string) => {
  const isHidden = new RegExp(`[${set}]`, "v")
  const emojiOrHidden = new RegExp(`(${emoji})|[${set}]`, "gv")
  return (text: string): string =>
    isHidden.test(text) ? text.replace(emojiOrHidden, (found, emoji?: string) => emoji ?? escape(found)) : text
}

/** Line breaks and tabs stay. */
export const visibleLines = escaping(String.raw`[${hidden}]--[\n\t]`)

/** Tabs stay. */
export const visibleLine = escaping(String.raw`[${hidden}]--\t`)

/** The beginning of a text, without the half of a character at its end. */
export const beginning = (text: string, length: number): string => {
  const cut = text.slice(0, length)
  return cut.length < text.length ? cut.replace(/[\ud800-\udbff]$/, "") : cut
}

const defaultLength = 1000

/** As one line, cut after so many characters with a note of how many are left out. Tabs stay. */
export const visible = (text: string, length = defaultLength): string => {
  const shown = visibleLine(text)
  const kept = beginning(shown, length)
  const rest = shown.length - kept.length
  // What was cut in an emoji is none any more.
  return rest > 0 ? `${visibleLine(kept)}… (${rest} more characters)` : shown
}
