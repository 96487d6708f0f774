/** Versions of codex as they are published, and what to say of others. */

/** Whether a text is a whole version, and so the name of one folder: no range, no tag, no path. */
export const isVersion = (text: string): boolean => /^\d+\.\d+\.\d+(?:-[a-z]+(?:\.\d+)?)?$/.test(text)

export const notAVersion = (text: string): string => `"${text}" is not a version of codex, such as 0.171.0.`

const published = "`npm view @openai/codex versions` lists the published ones."

/** Why a version cannot be used: what npm said, or nothing if its package has no executable for this platform. */
export const notInstalled = (version: string, npmSaid: string | undefined): string => {
  if (npmSaid === undefined) {
    return `codex ${version} has no executable for ${process.platform}-${process.arch}. ${published}`
  }
  return /\bE(?:TARGET|404)\b/.test(npmSaid)
    ? `codex ${version} is not published. ${published}`
    : `codex ${version} cannot be installed:\n${npmSaid.trim()}`
}

/** Below 0 if `a` is older than `b`. */
export const compareVersions = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true })

export const minor = (version: string): string => version.split(".").slice(0, 2).join(".")
