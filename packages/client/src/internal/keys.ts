/**
 * Takes keys out of what others say of an error: a provider may quote the key that it refuses, and codex passes on what the
 * provider says. Only what has the look of a key goes, so that ordinary text stays as it is.
 */
import * as Predicate from "effect/Predicate"

const redacted = "<redacted>"

// Words seldom have digits, and keys nearly always do. How far is looked is bounded, because the text is another's.
const token = String.raw`(?=[^\s"']{0,64}[\d=*])(?=[\w~+/=*.-]{8})[\w~+/=*-]+(?:\.[\w~+/=*-]+)*`

const alone = new RegExp(
  [
    // OpenAI and others, also with its middle hidden
    String.raw`\bsk-(?=[\w*-]{0,64}[\d*])[\w*-]{8,}`,
    // JSON Web Tokens
    String.raw`\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?`,
    String.raw`\b(?:gh[opsur]_|github_pat_|glpat-|gsk_|hf_|xai-|AIza|xox[abeprs]-)(?=[\w-]{0,64}\d)[\w-]{16,}`,
    String.raw`\b(?:AKIA|ASIA)[A-Z\d]{16}\b`
  ].join("|"),
  "g"
)

const named = [
  // Bearer abc123
  String.raw`\b(?:Bearer|Basic)\s+`,
  // Incorrect API key provided: abc123, api_key=abc123, "authorization": "abc123"
  String
    .raw`(?:api[ _-]?key|access[ _-]?token|authorization|client[ _-]?secret|password)(?: provided)?["']?\s?[:=]\s?["']?`
].map((name) => new RegExp(`(${name})${token}`, "gi"))

// Of a URL
const password = /(:\/\/[^\s/?#@:]{0,64}:)[^\s/?#@]{1,200}@/g

export const withoutKeys = (text: string): string =>
  named
    .reduce((text, pattern) => text.replace(pattern, `$1${redacted}`), text.replace(alone, redacted))
    .replace(password, `$1${redacted}@`)

/** JSON without the keys in its texts; what is nested too deeply to be looked through is left out. */
export const withoutKeysIn = (json: unknown): unknown => {
  let isFound = false
  try {
    const copy: unknown = JSON.parse(JSON.stringify(json), (_, value: unknown) => {
      if (!Predicate.isString(value)) return value
      const text = withoutKeys(value)
      isFound ||= text !== value
      return text
    })
    return isFound ? copy : json
  } catch {
    return undefined
  }
}

/** Takes the keys out of the error of a turn, which may be anything that a server sent. */
export const redactTurnError = (error: unknown): void => {
  if (!Predicate.isObject(error)) return
  for (const key of ["message", "additionalDetails"]) {
    const text = Reflect.get(error, key)
    if (Predicate.isString(text)) Reflect.set(error, key, withoutKeys(text))
  }
}
