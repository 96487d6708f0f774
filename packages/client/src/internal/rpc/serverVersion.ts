/** Reads what the server says of itself in the handshake, and warns of a version that the tests have not seen. */
import type * as Received from "../../Received.ts"
import { compareToTested, type ServerInfo, testedRange } from "../../ServerInfo.ts"

/**
 * Reads the answer to `initialize`.
 *
 * The user agent is `<client name>/<codex version> (<system>) …`, and the client's name may itself hold slashes and
 * spaces; so the version is what follows the name that we sent (measured on 0.169.0, which sends no `serverInfo`).
 */
export const fromInitialize = (response: Partial<Received.InitializeResponse>, clientName: string): ServerInfo => {
  const { codexHome = "", platformFamily = "", platformOs = "", userAgent = "" } = response
  const rest = userAgent.startsWith(`${clientName}/`)
    ? userAgent.slice(clientName.length + 1)
    : userAgent.slice(userAgent.indexOf("/") + 1)
  return { version: /^\d[^\s]*/.exec(rest)?.[0] ?? "", userAgent, codexHome, platformFamily, platformOs }
}

/** What to tell of a server outside of the tested range; undefined inside of it. */
export const warningOf = (info: ServerInfo): string | undefined => {
  const age = compareToTested(info)
  if (age !== "older" && age !== "newer") return undefined
  const { newest, oldest } = testedRange
  return `codex ${info.version} is ${age} than the versions that this version of effect-codex is tested with, ${oldest} to ` +
    `${newest}. It is used as it is. ` +
    (age === "newer"
      ? "What it has added is passed on as it comes."
      : "What it does not have yet fails where it is asked for.")
}
