/** `DynamicTools` as the tools of an MCP server: their listing, and a call in MCP's form. */
import { InvalidArgument } from "@effect-codex/client/CodexError"
import type * as DynamicTools from "@effect-codex/client/DynamicTools"
import * as OptionKinds from "@effect-codex/client/internal/options"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"

type Handler = ReturnType<DynamicTools.DynamicTools["handler"]>
type Params = Parameters<Handler>[0]["params"]
type Content = Effect.Success<ReturnType<Handler>>["contentItems"][number]

export interface HostedTools {
  /** What `tools/list` answers. */
  readonly listing: ReadonlyArray<object>
  /** The tool's answer in MCP's form, or undefined if there is no tool of this name. */
  readonly call: (name: string, args: unknown, call: DynamicTools.Call) => Effect.Effect<object> | undefined
}

const text = (text: string) => ({ type: "text", text })

export const failed = (words: string) => ({ content: [text(words)], isError: true })

const dataUrl = /^data:([^;,]+)(?:;[^;,]*)*;base64,(.*)$/is

const media = (type: "image" | "audio", url: string): object => {
  const [, mimeType, data] = dataUrl.exec(url) ?? []
  return mimeType === undefined || data === undefined
    ? text(`The tool returned ${type === "image" ? "an image" : "sound"} that is not a data URL. It was left out.`)
    : { type, mimeType, data }
}

const contentOf = (item: Content): object => {
  switch (item.type) {
    case "inputText":
      return text(item.text)
    case "inputImage":
      return media("image", item.imageUrl)
    case "inputAudio":
      return media("audio", item.audioUrl)
  }
}

interface Entry {
  readonly name: string
  readonly namespace: string | null
  readonly tool: string
  readonly description: string
  readonly inputSchema: unknown
}

// The tools of an MCP server have no namespaces.
const entriesOf = (specs: DynamicTools.DynamicTools["specs"]): ReadonlyArray<Entry> =>
  specs.flatMap<Entry>((spec) =>
    spec.type === "function"
      ? [{ ...spec, namespace: null, tool: spec.name }]
      : spec.tools.map((tool) => ({
        ...tool,
        name: `${spec.name}_${tool.name}`,
        namespace: spec.name,
        tool: tool.name
      }))
  )

const duplicateOf = (entries: ReadonlyArray<Entry>): string | undefined =>
  entries.find(({ name }, index) => entries.findIndex((other) => other.name === name) !== index)?.name

const invalid = (detail: string) => new InvalidArgument({ argument: "tools", detail })

export const make = (tools: DynamicTools.DynamicTools): Effect.Effect<HostedTools, InvalidArgument> =>
  Effect.gen(function*() {
    yield* OptionKinds.checkArgument("tools", tools, OptionKinds.tools)
    const entries = entriesOf(tools.specs)
    const duplicate = duplicateOf(entries)
    if (duplicate !== undefined) {
      return yield* invalid(
        `there are two tools ${JSON.stringify(duplicate)}: an MCP server names a tool NAMESPACE_TOOL.`
      )
    }
    const known = new Map(entries.map((entry) => [entry.name, entry]))
    const handler = tools.handler()
    return {
      listing: entries.map(({ description, inputSchema, name }) => ({ name, description, inputSchema })),
      call: (name, args, call) => {
        const entry = known.get(name)
        if (entry === undefined) return undefined
        const { namespace, tool } = entry
        const params: Params = { ...call, namespace, tool, arguments: args as Schema.Json }
        return handler({ id: call.callId, method: "item/tool/call", params, item: undefined }).pipe(
          // A tool answers its failures itself.
          Effect.orDie,
          Effect.map(({ contentItems, success }) => ({ content: contentItems.map(contentOf), isError: !success }))
        )
      }
    }
  })
