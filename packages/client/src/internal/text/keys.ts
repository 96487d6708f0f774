/**
 * Redacts keys in texts that come from others: a provider may quote the key that it refuses, and codex passes the
 * provider's words on (docs/codex-behaviour.md, "The text of a failed turn quotes what the provider said"). Only what
 * looks like a key is redacted, so ordinary text stays unchanged.
 */
import * as Predicate from "effect/Predicate"

const redacted = "<redacted>"

// Words rarely contain digits, and keys nearly always do. The lookahead is bounded, because the text is untrusted.
const token = String.raw`(?=[^\s"']{0,64}[\d=*])(?=[\w~+/=*.-]{8})[\w~+/=*-]+(?:\.[\w~+/=*-]+)*`

const alone = new RegExp(
  [
    // OpenAI and others, even with the middle hidden
    String.raw`(?<![\w/-])sk-(?=[\w*-]{0,64}[\d*])[\w*-]{8,}`,
    // JSON Web Tokens. A match starts at most once in a run of such characters, so that the time stays linear in the
    // length.
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
  // Ordinary words after "basic" are not Base64
  String.raw`(\bBasic\s+)(?=[A-Za-z+/]{0,64}[\d=])[A-Za-z\d+/]{10,}={0,2}(?![\w.-])`,
  // Incorrect API key provided: abc123, api_key=abc123, "authorization": "abc123", even in JSON inside JSON text
  String.raw`((?:api[ _-]?key|access[ _-]?token|authorization|client[ _-]?secret|password)(?: provided)?` +
  String.raw`${quote}\s?[:=]\s?${quote})(?!process\.env\b)${token}`
].map((pattern) => new RegExp(pattern, "gi"))

// The password of a URL
const password = /(:\/\/[^\s/?#@:]{0,64}:)[^\s/?#]{1,200}@/g

export const withoutKeys = (text: string): string =>
  named
    .reduce((text, pattern) => text.replace(pattern, `$1${redacted}`), text.replace(alone, redacted))
    .replace(password, `$1${redacted}@`)

/** Redacts keys in all texts of a JSON value. Returns undefined for a value that is nested too deeply to search. */
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

/** Redacts keys in a turn's error, in place. The error may be anything that a server sent. */
export const redactTurnError = (error: unknown): void => {
  if (!Predicate.isObject(error)) return
  for (const key of ["message", "additionalDetails"]) {
    const text = Reflect.get(error, key)
    if (Predicate.isString(text)) Reflect.set(error, key, withoutKeys(text))
  }
}
