/**
 * Writes `docs/protocol.md`: which call of the client sends each request of the protocol, and why some have none. Prints
 * the table. With `--check`, writes nothing and exits with 1 if the page is not current.
 *
 * A request has a call if the client's sources send it. The call's name is that of the span around it, or stands in
 * `protocolCalls.ts`; it must be a member of a public module.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { clientRequests, codexVersion } from "../packages/protocol/src/Methods.ts"
import { root } from "./examples.ts"
import { calls, reasons } from "./protocolCalls.ts"

const page = Path.join(root, "docs/protocol.md")
const client = Path.join(root, "packages/client/src")

/** These name methods without sending them. */
const isTable = (file: string): boolean => /^internal\/(?:protocol|text)\/|^internal\/rpc\/requests\.ts$/.test(file)

const withoutComments = (text: string): string => text.replaceAll(/\/\*.*?\*\/|^\s*\/\/.*?$/gms, "")

const read = (file: string): string => Fs.readFileSync(Path.join(client, file), "utf8")

const files = Fs.readdirSync(client, { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts"))
const sources = files.filter((file) => !isTable(file)).sort()
  .map((file) => withoutComments(read(file)))
const publicTexts = files.filter((file) => !file.includes("/")).map(read)

const isMember = (service: string, member: string): boolean => {
  const declared = new RegExp(`(?:interface|class) ${service}\\b.*?readonly ${member}\\b`, "s")
  const parents = publicTexts.flatMap((text) =>
    new RegExp(`interface ${service} extends (\\w+(?:, \\w+)*)`).exec(text)?.[1]?.split(", ") ?? []
  )
  return publicTexts.some((text) => declared.test(text)) || parents.some((parent) => isMember(parent, member))
}

/** Whether a program can call it: a member of a service or a handle, or an export of a module. */
const isPublic = (call: string): boolean => {
  const [service = "", member = ""] = call.split(".")
  return isMember(service, member) ||
    files.includes(`${service}.ts`) && new RegExp(`export const ${member}\\b`).test(read(`${service}.ts`))
}

interface Span {
  readonly name: string | undefined
  readonly index: number
  readonly isAfter: boolean
}

/** The spans of a file where they are used, also of those that it names once for all handles: `traced`. */
const spansIn = (text: string): ReadonlyArray<Span> => {
  const traced = new Map(
    [...text.matchAll(/(?:(\w+): |const traced = )Effect\.fn\("([\w.]+)"\)(?!\()/g)].map(([, key, name]) => [key, name])
  )
  return [...text.matchAll(/(?:Effect\.fn(?=\("[\w.]+"\)\()|(withSpan))\("([\w.]+)"\)|\btraced(?:\.(\w+))?\(/g)]
    .map(({ 1: after, 2: own, 3: key, index }) => ({
      name: own ?? traced.get(key),
      index,
      isAfter: after !== undefined
    }))
}

/** The name of the span that begins or ends next to the request. */
const spanOf = (method: string): string | undefined => {
  for (const text of sources) {
    const at = text.indexOf(`"${method}"`)
    if (at < 0) continue
    const [span] = spansIn(text)
      .filter(({ name }) => name !== undefined && /^[A-Z]\w+\.\w+$/.test(name))
      // `fn` stands before what it names, `withSpan` after it.
      .filter(({ index, isAfter }) => isAfter === index > at)
      .toSorted((one, other) => Math.abs(one.index - at) - Math.abs(other.index - at))
    if (span?.name !== undefined && isPublic(span.name)) return span.name
  }
  return undefined
}

const cancels = new Set(
  [...read("internal/protocol/cancellation.ts").matchAll(/by\("([^"]+)"/g)].map(([, method]) => method)
)

const isSent = (method: string): boolean => sources.some((text) => text.includes(`"${method}"`))

const reasonOf = (method: string): string | undefined =>
  Object.entries(reasons).filter(([beginning]) => method.startsWith(beginning))
    .toSorted(([a], [b]) => b.length - a.length)[0]?.[1]

const problems: Array<string> = []

interface Row {
  readonly method: string
  readonly stability: string
  readonly call: string | undefined
  readonly why: string
}

const rowOf = ([method, { stability }]: [string, { readonly stability: string }]): Row => {
  const row = { method, stability }
  if (isSent(method)) {
    const call = calls[method] ?? spanOf(method)
    if (call === undefined) problems.push(`${method} is sent: name its call in .ci/protocolCalls.ts`)
    else if (!isPublic(call)) problems.push(`${method}: no public module has ${call}`)
    return { ...row, call, why: "" }
  }
  if (calls[method] !== undefined) problems.push(`${method} is not sent: remove its call from .ci/protocolCalls.ts`)
  if (cancels.has(method)) return { ...row, call: undefined, why: "sent when a request is interrupted" }
  const why = reasonOf(method)
  if (why === undefined) problems.push(`${method} has no call: say why in .ci/protocolCalls.ts`)
  return { ...row, call: undefined, why: why ?? "" }
}

const rows = Object.entries(clientRequests).map(rowOf)

for (const beginning of Object.keys(reasons)) {
  if (!rows.some(({ call, method }) => call === undefined && method.startsWith(beginning))) {
    problems.push(`the reason for ${beginning} in .ci/protocolCalls.ts is not needed`)
  }
}

const table = (head: ReadonlyArray<string>, body: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((cells) => cells[column]!.length)))
  const line = (cells: ReadonlyArray<string>, fill = " ") =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!, fill)).join(" | ")} |`
  return [line(head), line(head.map(() => ""), "-"), ...body.map((cells) => line(cells))].join("\n")
}

const code = (text: string): string => `\`${text}\``
const named = rows.filter(({ call }) => call !== undefined)
const raw = rows.filter(({ call }) => call === undefined)

const text = `# The requests of the protocol

<!-- Generated by \`npm run coverage:protocol\`. Do not edit. -->

codex ${codexVersion} has ${rows.length} requests. ${named.length} have a call of their own. The other ${raw.length} are sent with
[\`AppServerRpc.request\`](getting-started.md), which has their types too; an experimental one needs the experimental API,
which is on by default.

## With a call

Where several calls send a request, the table names one of them.

${
  table(
    ["Request", "", "Call"],
    named.map(({ call, method, stability }) => [
      code(method),
      stability === "experimental" ? stability : "",
      code(call ?? "")
    ])
  )
}

## Without one

${
  table(
    ["Request", "", "Why"],
    raw.map(({ method, stability, why }) => [code(method), stability === "experimental" ? stability : "", why])
  )
}
`

if (problems.length > 0) {
  for (const problem of problems) console.error(problem)
  process.exitCode = 1
} else if (process.argv.includes("--check")) {
  const current = Fs.existsSync(page) ? Fs.readFileSync(page, "utf8").replaceAll("\r\n", "\n") : ""
  if (current !== text) {
    console.error("docs/protocol.md is not current. Run `npm run coverage:protocol`.")
    process.exitCode = 1
  }
} else {
  Fs.writeFileSync(page, text)
  console.log(text)
}
