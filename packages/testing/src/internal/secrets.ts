/**
 * Finds secrets, which must not get into a committed file: by the name of their key, by their form, or because their
 * value is known.
 */
export const redacted = "<redacted>"

const patterns: ReadonlyArray<RegExp> = [
  /\bsk-[\w-]{8,}/g,
  /\bBearer\s+[\w.~+/=-]{8,}/gi,
  // JSON Web Tokens
  /\beyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*/g,
  /\bgh[opsur]_\w{20,}|\bgithub_pat_\w{20,}/g,
  /\b(?:AKIA|ASIA)[A-Z\d]{16}\b/g,
  /\bxox[abeprs]-[\w-]{10,}/g,
  /\bglpat-[\w-]{20,}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g
]

const secretKey =
  /(?:authorization|apikey|token|tokens|password|passphrase|secret|secrets|privatekey|cookie|credential|credentials|usercode|bearer)$/

/** Whether a text is a secret because it is the value of this key. */
export const isSecretKey = (key: string): boolean => secretKey.test(key.replace(/[-_]/g, "").toLowerCase())

/** Where a value stands in a message: in a secret, in the configuration of MCP servers, or elsewhere. */
export type Place = "secret" | "mcpServers" | "elsewhere"

const secretOfMcpServer = /(?:^|\.)(?:env|http_headers)(?:\.|$)/

/** The place of the value of a key. Everything that an MCP server is given in `env` and `http_headers` is secret. */
export const placeOf = (key: string, within: Place): Place => {
  if (within === "secret" || isSecretKey(key)) return "secret"
  if (within === "elsewhere" && !/^mcp_servers(?:\.|$)/.test(key)) return "elsewhere"
  return secretOfMcpServer.test(key) ? "secret" : "mcpServers"
}

/** Whether a secret is long enough to search for. A short one would be found everywhere. */
export const isTelling = (value: string): boolean => value.length >= 8

/** The values of the environment variables whose names say that they are secret. */
export const ofEnvironment = (env: Readonly<Record<string, string | undefined>>): ReadonlyArray<string> =>
  Object.entries(env).flatMap(([name, value]) =>
    isSecretKey(name.replace(/_?KEY$/i, "_API_KEY")) && value !== undefined && isTelling(value) ? [value] : []
  )

type Ranges = ReadonlyArray<readonly [from: number, to: number]>

/** Returns a function that finds these values, and texts in the form of a secret. */
export const finder = (values: ReadonlySet<string>): (text: string) => Ranges => (text) => {
  const found: Array<readonly [number, number]> = []
  for (const value of values) {
    for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + value.length)) {
      found.push([at, at + value.length])
    }
  }
  for (const pattern of patterns) {
    for (const match of text.matchAll(pattern)) found.push([match.index, match.index + match[0].length])
  }
  return found.sort(([a], [b]) => a - b)
}

/**
 * Replaces the secrets in consecutive texts, such as the deltas of a message. A secret that spans several texts is
 * replaced in the first of them and removed from the others.
 */
export const redactAll = (texts: ReadonlyArray<string>, find: (text: string) => Ranges): ReadonlyArray<string> => {
  const ranges = find(texts.join(""))
  if (ranges.length === 0) return texts
  let start = 0
  return texts.map((text) => {
    const end = start + text.length
    let out = ""
    let at = start
    for (const [from, to] of ranges) {
      if (to <= at || from >= end) continue
      if (from > at) out += text.slice(at - start, from - start)
      if (from >= at) out += redacted
      at = Math.min(to, end)
    }
    out += text.slice(at - start)
    start = end
    return out
  })
}
