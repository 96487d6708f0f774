/** Which keys every store can hold. */

/** In characters. The message storage has this limit, and PostgreSQL one for its indexes. */
const maxLength = 255

/** Says what is wrong with a key. */
const wrong = (what: string, key: string): string | undefined => {
  if (key.trim() === "") return `${what} must not be empty.`
  if (key.length > maxLength) {
    return `${what} has ${key.length} characters, and ${maxLength} are allowed. Use a hash of it.`
  }
  return key.includes("\0") || !key.isWellFormed()
    ? `${what} has a NUL, or a half of a character, which no database keeps.`
    : undefined
}

export const wrongKey = (key: string): string | undefined => wrong("the key of a thread", key)

/** `#` parts the key of a turn from the number of its attempt. */
export const wrongTurnKey = (turnKey: string): string | undefined =>
  wrong("the key of a turn", turnKey) ??
    (turnKey.includes("#") ? "the key of a turn must not contain `#`." : undefined)
