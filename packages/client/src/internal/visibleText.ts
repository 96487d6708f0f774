/**
 * Text of others (the model, its tools, the provider, a file), made safe to show: what a terminal would obey, and what hides
 * or changes the direction of text, is written as an escape.
 */

const obeyed = String
  .raw`\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff`

const escape = (character: string): string => `\\u{${character.codePointAt(0)!.toString(16)}}`

const everywhere = new RegExp(`[${obeyed}]`, "g")
const inLine = new RegExp(`[\n${obeyed}]`, "g")

/** Line breaks and tabs stay. */
export const visibleLines = (text: string): string => text.replace(everywhere, escape)

const defaultLength = 1000

/** As one line, cut after so many characters with a note of how many are left out. Tabs stay. */
export const visible = (text: string, length = defaultLength): string => {
  const shown = text.replace(inLine, escape)
  const rest = shown.length - length
  return rest > 0 ? `${shown.slice(0, length)}… (${rest} more characters)` : shown
}
