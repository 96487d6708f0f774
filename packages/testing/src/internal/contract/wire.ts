/** Makes the frames of a connection comparable: replaces ids, times and places, and summarizes frames in lines. */
import type * as Transport from "@effect-codex/client/Transport"
import * as Predicate from "effect/Predicate"
import type { Frame } from "./model.ts"

type Json = { readonly [key: string]: unknown }

const times: ReadonlySet<string> = new Set([
  "emittedAtMs",
  "startedAt",
  "startedAtMs",
  "completedAt",
  "completedAtMs",
  "durationMs",
  "createdAt",
  "updatedAt",
  "recencyAt"
])

// The values of these keys depend on the machine, not on the protocol.
const places: ReadonlySet<string> = new Set(["path", "processId", "authUrl", "userAgent", "codexHome"])

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** Notifications about the start of the process. They come at any time. */
const ofTheProcess: ReadonlySet<string> = new Set(["configWarning", "remoteControl/status/changed"])

const isObject = (u: unknown): u is Json => Predicate.isObject(u)

/** The frames with everything replaced that differs between runs. A reply gets the method of its request in `of`. */
export const normalize = (frames: ReadonlyArray<Frame>): ReadonlyArray<Json> => {
  const ids = new Map<string, string>()
  const cwds = frames.flatMap(({ message }) =>
    isObject(message["result"]) && typeof message["result"]["cwd"] === "string" ? [message["result"]["cwd"]] : []
  )
  const asked = new Map<unknown, unknown>()
  const requests = new Map<unknown, string>()

  const text = (value: string): string => {
    let text = value
    for (const cwd of cwds) text = text.replaceAll(cwd, "<cwd>")
    return text
      .replace(uuid, (id) => {
        if (!ids.has(id)) ids.set(id, `<id ${ids.size + 1}>`)
        return ids.get(id)!
      })
      .replace(/https?:\/\/[^/\s]+\/v1\b/g, "<url>")
      .replace(/^(msg|rs|call|fc)-\d+-/, "$1-N-")
      .replace(/(script has no answer for request) \d+(?:[^"\\]|\\.)*/, "$1 N")
  }
  const visit = (value: unknown, key = ""): unknown => {
    if (typeof value === "number" && times.has(key)) return 0
    if (typeof value === "string") {
      if (places.has(key)) return `<${key}>`
      return /[cC]ursor$/.test(key) ? "<cursor>" : text(value)
    }
    if (key === "requestId") return requests.get(value) ?? value
    if (Array.isArray(value)) return value.map((entry) => visit(entry))
    if (!isObject(value)) return value
    // The keys of a map may be ids, too.
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [text(name), visit(entry, name)]))
  }

  return frames.flatMap(({ from, message }): ReadonlyArray<Json> => {
    const { error, id, method, params, result } = message
    if (typeof method === "string") {
      if (ofTheProcess.has(method)) return []
      if (from === "client") {
        asked.set(id, method)
        return [{ from, method, params: visit(params) }]
      }
      if (id !== undefined && !requests.has(id)) requests.set(id, `<request ${requests.size + 1}>`)
      return [{ from, method, ...(id === undefined ? {} : { id: requests.get(id) }), params: visit(params) }]
    }
    const of = from === "server" ? asked.get(id) : requests.get(id)
    return [{ from, of, ...(error === undefined ? { result: visit(result) } : { error: visit(error) }) }]
  })
}

const show = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value)

const members = (object: unknown, keys: ReadonlyArray<string>): string =>
  isObject(object)
    ? keys.flatMap((key) => {
      const value = object[key]
      return value === undefined || value === null ? [] : [`${key}=${show(value)}`]
    }).join(" ")
    : ""

const itemKeys = [
  "id",
  "status",
  "clientId",
  "text",
  "phase",
  "command",
  "source",
  "aggregatedOutput",
  "exitCode",
  "tool",
  "arguments",
  "success",
  "contentItems",
  "summary",
  "changes"
]

const line = (method: string, params: Json): string => {
  switch (method) {
    case "item/started":
    case "item/completed": {
      const { item } = params
      if (!isObject(item)) return method
      if (item["type"] !== "userMessage") return `${method} ${show(item["type"])} ${members(item, itemKeys)}`
      const texts = Array.isArray(item["content"])
        ? item["content"].map((part) => isObject(part) ? show(part["text"] ?? part["type"]) : "")
        : []
      return `${method} userMessage ${texts.join("|")}`
    }
    case "thread/status/changed": {
      const { status } = params
      return isObject(status) ? `${method} ${show(status["type"])} ${members(status, ["activeFlags"])}` : method
    }
    case "thread/tokenUsage/updated": {
      const usage = params["tokenUsage"]
      const of = (which: string) => isObject(usage) && isObject(usage[which]) ? show(usage[which]["totalTokens"]) : "?"
      return `${method} last=${of("last")} total=${of("total")}`
    }
    case "turn/started":
      return `${method} ${members(params["turn"], ["status"])}`
    case "turn/completed": {
      const { turn } = params
      if (!isObject(turn)) return method
      const items = Array.isArray(turn["items"])
        ? turn["items"].map((item) => isObject(item) ? `${show(item["type"])} ${show(item["text"])}` : "")
        : []
      return `${method} ${members(turn, ["status", "itemsView"])} [${items.join("; ")}]`
    }
    case "error": {
      const { error } = params
      return `${method} ${members(params, ["willRetry"])} ${members(error, ["codexErrorInfo", "message"])}`
    }
    case "thread/settings/updated":
      return `${method} ${members(params["threadSettings"], ["model", "effort", "approvalPolicy"])}`
    case "item/commandExecution/requestApproval":
      return `${method} ${
        members(params, ["itemId", "command", "reason", "proposedExecpolicyAmendment", "availableDecisions"])
      }`
    case "item/fileChange/requestApproval":
      return `${method} ${members(params, ["itemId", "reason"])}`
    case "item/tool/call":
      return `${method} ${members(params, ["callId", "tool", "namespace", "arguments"])}`
    default:
      return `${method} ${
        members(params, ["delta", "threadName", "diff", "summaryIndex", "authMode", "success", "error", "requestId"])
      }`
  }
}

/** These notifications come before or after the reply that they belong to. */
const loose: ReadonlySet<unknown> = new Set(["warning", "thread/settings/updated"])

/** Output deltas depend on how long a command takes. The completed item has the whole output. */
const outputDelta = "item/commandExecution/outputDelta"

/** One line for each frame of the server, with the members that matter. Frames without a fixed order come last. */
export const sketch = (frames: ReadonlyArray<Frame>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const looseLines: Array<string> = []
  let diff = ""
  for (const { error, from, method, of, params } of normalize(frames)) {
    if (from !== "server" || method === outputDelta) continue
    if (typeof method === "string") {
      const text = line(method, isObject(params) ? params : {}).trimEnd()
      if (loose.has(method)) looseLines.push(`in any order: ${text}`)
      // How often codex repeats an unchanged diff depends on its version.
      else if (method === "turn/diff/updated" && text === diff) continue
      // The real server sometimes reports twice that a thread is unloaded.
      else if (text !== lines.at(-1) || !text.endsWith("notLoaded")) lines.push(text)
      if (method === "turn/diff/updated") diff = text
    } else {
      lines.push(`-> ${show(of)}${error === undefined ? "" : ` ${members(error, ["code", "message"])}`}`)
    }
  }
  // The item of a declined command completes before or after the thread stops waiting for the approval.
  const waited = "thread/status/changed active activeFlags=[]"
  for (let index = 1; index < lines.length; index++) {
    const before = lines[index - 1] ?? ""
    if (lines[index] === waited && before.startsWith("item/completed commandExecution")) {
      lines.splice(index - 1, 2, waited, before)
    }
  }
  return [...lines, ...looseLines]
}

/** A transport that passes each frame to a callback, too. */
export const recording = (
  transport: Transport.Transport["Service"],
  onFrames: (from: Frame["from"], frames: ReadonlyArray<string>) => void
): Transport.Transport["Service"] => ({
  ...transport,
  send: (frame) => {
    onFrames("client", [frame])
    return transport.send(frame)
  },
  receive: (deliver) =>
    transport.receive((frames) => {
      onFrames("server", frames)
      deliver(frames)
    })
})
