/** Text from the model, its tools and the provider, made safe to show: nothing of it is obeyed or hides. */

const defaultLength = 1000

/**
 * Shows what a terminal would obey, and what would look like something else than it is, as `\u{…}`. A tab stays. Cuts the
 * text after so many characters and says how many are left out.
 */
export const visible = (text: string, length = defaultLength): string => {
  const shown = text.replace(
    /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`
  )
  const rest = shown.length - length
  return rest > 0 ? `${shown.slice(0, length)}… (${rest} more characters)` : shown
}
