/** Reads the server's metadata from the handshake, and warns about untested versions. */
import type * as Received from "../../Received.ts"
import { compareToTested, type ServerInfo, testedRange } from "../../ServerInfo.ts"

/**
 * Reads the reply to `initialize`.
 *
 * docs/codex-behaviour.md, "The user agent begins with the client's name, and the version of codex follows". The name
 * may itself contain slashes and spaces, so the version is looked for behind the name that we sent.
 */
export const fromInitialize = (response: Partial<Received.InitializeResponse>, clientName: string): ServerInfo => {
  const { codexHome = "", platformFamily = "", platformOs = "", userAgent = "" } = response
  const rest = userAgent.startsWith(`${clientName}/`)
    ? userAgent.slice(clientName.length + 1)
    : userAgent.slice(userAgent.indexOf("/") + 1)
  return { version: /^\d[^\s]*/.exec(rest)?.[0] ?? "", userAgent, codexHome, platformFamily, platformOs }
}

/** The warning about a server outside the tested range; undefined inside it. */
export const warningOf = (info: ServerInfo): string | undefined => {
  const age = compareToTested(info)
  if (age !== "older" && age !== "newer") return undefined
  const { newest, oldest } = testedRange
  return `codex ${info.version} is ${age} than the versions that this version of effect-codex is tested with, ` +
    `${oldest} to ${newest}. The client uses it anyway. ` +
    (age === "newer"
      ? "Whatever it has added is passed on unchanged."
      : "Calls that need a feature it lacks will fail.")
}
