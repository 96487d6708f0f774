/** What goes over a connection, made comparable: ids, times and places are named after their order. */
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

// Of the machine and not of the protocol.
const places: ReadonlySet<string> = new Set(["path", "processId", "authUrl", "userAgent", "codexHome"])

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** What belongs to the start of the process and comes at any time. */
const ofTheProcess: ReadonlySet<string> = new Set(["configWarning", "remoteControl/status/changed"])

const isObject = (u: unknown): u is Json => Predicate.isObject(u)

/** Frames as they are compared. A reply has the method of its request. */
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
    // A map by thread is the same in any order, an object of the protocol has an order of its own.
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

/** They come before or after the reply that they belong to. */
const loose: ReadonlySet<unknown> = new Set(["warning", "thread/settings/updated"])

/** It depends on how long a command takes, and its item has the same when it completes. */
const outputDelta = "item/commandExecution/outputDelta"

/** One line for each frame of the server, with what an application can tell it by; those in no order at the end. */
export const sketch = (frames: ReadonlyArray<Frame>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const looseLines: Array<string> = []
  let diff = ""
  for (const { error, from, method, of, params } of normalize(frames)) {
    if (from !== "server" || method === outputDelta) continue
    if (typeof method === "string") {
      const text = line(method, isObject(params) ? params : {}).trimEnd()
      if (loose.has(method)) looseLines.push(`in any order: ${text}`)
      // How often a diff is told again that has not changed depends on the version of codex.
      else if (method === "turn/diff/updated" && text === diff) continue
      // The real server now and then tells that a thread is unloaded twice.
      else if (text !== lines.at(-1) || !text.endsWith("notLoaded")) lines.push(text)
      if (method === "turn/diff/updated") diff = text
    } else {
      lines.push(`-> ${show(of)}${error === undefined ? "" : ` ${members(error, ["code", "message"])}`}`)
    }
  }
  // What was not run is told before or after the end of the waiting for it.
  const waited = "thread/status/changed active activeFlags=[]"
  for (let index = 1; index < lines.length; index++) {
    const before = lines[index - 1] ?? ""
    if (lines[index] === waited && before.startsWith("item/completed commandExecution")) {
      lines.splice(index - 1, 2, waited, before)
    }
  }
  return [...lines, ...looseLines]
}

/** A transport that tells of each frame. */
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
