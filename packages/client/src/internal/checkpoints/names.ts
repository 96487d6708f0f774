/**
 * File names as git writes them: bytes, of any encoding. They are kept in strings with one character for each byte, so
 * that every name comes back as it was and a set finds it.
 */

/** One character for each byte. */
export type Name = string

const chunk = 8192

/** The output of git, one character for each byte. */
export const fromBytes = (bytes: Uint8Array): string => {
  let text = ""
  for (let i = 0; i < bytes.length; i += chunk) text += String.fromCharCode(...bytes.subarray(i, i + chunk))
  return text
}

export const toBytes = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

const encoder = new TextEncoder()
const lossy = new TextDecoder()
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export const fromText = (text: string): Name => fromBytes(encoder.encode(text))

/** The name as text, with U+FFFD for what is no UTF-8. */
export const toText = (name: Name): string => lossy.decode(toBytes(name))

/** The path that a file system takes, or undefined if no text stands for the name. */
export const toPath = (name: Name): string | undefined => {
  try {
    return strict.decode(toBytes(name))
  } catch {
    return undefined
  }
}

/** The entries of a list that ends each one with NUL. */
export const split = (output: string): ReadonlyArray<Name> => output.split("\0").slice(0, -1)

export const join = (names: Iterable<Name>): string => Array.from(names, (name) => `${name}\0`).join("")

/** The folders that a name is in, the nearest first. */
export const ancestors = (name: Name): ReadonlyArray<Name> => {
  const found: Array<Name> = []
  for (let end = name.lastIndexOf("/"); end > 0; end = name.lastIndexOf("/", end - 1)) found.push(name.slice(0, end))
  return found
}
