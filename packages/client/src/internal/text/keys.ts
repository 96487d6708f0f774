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
    String.raw`(?<![\w/-])sk-(?=[\w*-]{0,64}[\d*])[\w*-]{8,}`,
    // JSON Web Tokens. Each begins at most once in a run of such characters, so that the time grows as the length does.
    String.raw`(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?`,
    String.raw`\b(?:gh[opsur]_|github_pat_|glpat-|gsk_|hf_|xai-|AIza|xox[abeprs]-)(?=[\w-]{0,64}\d)[\w-]{16,}`,
    String.raw`\b(?:AKIA|ASIA)[A-Z\d]{16}\b`
  ].join("|"),
  "g"
)

const quote = String.raw`\\{0,8}["']?`

const named = [
  // Bearer abc123
  String.raw`(\bBearer\s+)${token}`,
  // The other words that follow "basic" are no Base64
  String.raw`(\bBasic\s+)(?=[A-Za-z+/]{0,64}[\d=])[A-Za-z\d+/]{10,}={0,2}(?![\w.-])`,
  // Incorrect API key provided: abc123, api_key=abc123, "authorization": "abc123", also in JSON in a text of JSON
  String.raw`((?:api[ _-]?key|access[ _-]?token|authorization|client[ _-]?secret|password)(?: provided)?` +
  String.raw`${quote}\s?[:=]\s?${quote})(?!process\.env\b)${token}`
].map((pattern) => new RegExp(pattern, "gi"))

// Of a URL
const password = /(:\/\/[^\s/?#@:]{0,64}:)[^\s/?#]{1,200}@/g

export const withoutKeys = (text: string): string =>
  named
    .reduce((text, pattern) => text.replace(pattern, `$1${redacted}`), text.replace(alone, redacted))
    .replace(password, `$1${redacted}@`)

/** JSON without the keys in its texts; what is nested too deeply to be looked through is left out. */
export const withoutKeysIn = (json: unknown): unknown => {
  let isFound = false
  try {
    const clean = (text: string): string => {
      const cleaned = withoutKeys(text)
      isFound ||= cleaned !== text
      return cleaned
    }
    const copy: unknown = JSON.parse(JSON.stringify(json), (_, value: unknown) => {
      if (Predicate.isString(value)) return clean(value)
      return Predicate.isReadonlyObject(value)
        ? Object.fromEntries(Object.entries(value).map(([name, member]) => [clean(name), member]))
        : value
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
