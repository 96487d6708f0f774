import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Part, Pause, Reply, Usage } from "../ScriptedModel.ts"

type Step = string | Pause

export const pause = (pause: Pause): Effect.Effect<void> =>
  pause._tag === "Delay" ? Effect.sleep(pause.duration) : pause.pass

export const isPause = (part: string | Part): part is Pause =>
  typeof part !== "string" && (part._tag === "Delay" || part._tag === "Gate")

/** The bytes of a streamed response. Everything between two pauses is one write. */
export const stream = (reply: Reply, request: number): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(join(steps(reply, request))).pipe(
    Stream.mapEffect((step) => typeof step === "string" ? Effect.succeed(step) : Effect.as(pause(step), "")),
    Stream.filter((text) => text !== ""),
    Stream.encodeText
  )

const join = (steps: ReadonlyArray<Step>): ReadonlyArray<Step> => {
  const joined: Array<Step> = []
  let text = ""
  for (const step of steps) {
    if (typeof step === "string") {
      text += step
    } else {
      joined.push(text, step)
      text = ""
    }
  }
  joined.push(text)
  return joined
}

const send = (type: string, fields: Schema.JsonObject): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

const plain = (deltas: ReadonlyArray<Step>): string => deltas.filter((delta) => typeof delta === "string").join("")

const steps = (reply: Reply, request: number): ReadonlyArray<Step> => {
  const id = reply.id ?? `resp-${request}`
  const output: Array<Schema.JsonObject> = []
  const steps: Array<Step> = [send("response.created", { response: { id, object: "response", status: "in_progress" } })]
  reply.parts.forEach((part, index) => {
    const unique = `${request}-${index}`
    if (typeof part === "string") {
      part = { _tag: "Text", deltas: [part], id: undefined, phase: undefined }
    }
    switch (part._tag) {
      case "Delay":
      case "Gate":
        steps.push(part)
        break
      case "Event":
        steps.push(`event: ${part.event}\ndata: ${part.data}\n\n`)
        break
      case "Text": {
        const at = { item_id: part.id ?? `msg-${unique}`, output_index: output.length, content_index: 0 }
        const item = {
          type: "message",
          id: at.item_id,
          role: "assistant",
          ...part.phase === undefined ? {} : { phase: part.phase }
        }
        const text = plain(part.deltas)
        const done = { type: "output_text", text, annotations: [] }
        steps.push(
          send("response.output_item.added", {
            output_index: at.output_index,
            item: { ...item, status: "in_progress", content: [] }
          }),
          send("response.content_part.added", { ...at, part: { type: "output_text", text: "", annotations: [] } }),
          ...deltas("response.output_text.delta", at, part.deltas),
          send("response.output_text.done", { ...at, text }),
          send("response.content_part.done", { ...at, part: done }),
          finish(output, { ...item, status: "completed", content: [done] })
        )
        break
      }
      case "Reasoning": {
        const at = { item_id: part.id ?? `rs-${unique}`, output_index: output.length }
        const item = { type: "reasoning", id: at.item_id, encrypted_content: null }
        const summary = { type: "summary_text", text: plain(part.summary) }
        const content = { type: "reasoning_text", text: plain(part.content) }
        const summaryAt = { ...at, summary_index: 0 }
        steps.push(
          send("response.output_item.added", { output_index: at.output_index, item: { ...item, summary: [] } }),
          send("response.reasoning_summary_part.added", { ...summaryAt, part: { type: "summary_text", text: "" } }),
          ...deltas("response.reasoning_summary_text.delta", summaryAt, part.summary),
          send("response.reasoning_summary_text.done", { ...summaryAt, text: summary.text }),
          send("response.reasoning_summary_part.done", { ...summaryAt, part: summary }),
          ...deltas("response.reasoning_text.delta", { ...at, content_index: 0 }, part.content),
          finish(output, {
            ...item,
            summary: [summary],
            ...part.content.length === 0 ? {} : { content: [content] }
          })
        )
        break
      }
      case "FunctionCall": {
        const at = { item_id: part.id ?? `fc-${unique}`, output_index: output.length }
        const item = {
          type: "function_call",
          id: at.item_id,
          call_id: part.callId ?? `call-${unique}`,
          name: part.name,
          ...part.namespace === undefined ? {} : { namespace: part.namespace }
        }
        steps.push(
          send("response.output_item.added", {
            output_index: at.output_index,
            item: { ...item, status: "in_progress", arguments: "" }
          }),
          send("response.function_call_arguments.delta", { ...at, delta: part.arguments }),
          send("response.function_call_arguments.done", { ...at, arguments: part.arguments }),
          finish(output, { ...item, status: "completed", arguments: part.arguments })
        )
        break
      }
      case "Item":
        steps.push(
          send("response.output_item.added", { output_index: output.length, item: part.item }),
          finish(output, part.item)
        )
        break
    }
  })
  const response = { id, object: "response", output, usage: usage(reply.usage) }
  switch (reply.end._tag) {
    case "Completed":
      steps.push(send("response.completed", { response: { ...response, status: "completed" } }))
      break
    case "Failed": {
      const { code, message } = reply.end
      steps.push(send("response.failed", { response: { ...response, status: "failed", error: { code, message } } }))
      break
    }
    case "Incomplete": {
      const incomplete_details = { reason: reply.end.reason }
      steps.push(
        send("response.incomplete", { response: { ...response, status: "incomplete", incomplete_details } })
      )
      break
    }
  }
  return steps
}

const deltas = (type: string, at: Schema.JsonObject, deltas: ReadonlyArray<Step>): ReadonlyArray<Step> =>
  deltas.map((delta) => typeof delta === "string" ? send(type, { ...at, delta }) : delta)

const finish = (output: Array<Schema.JsonObject>, item: Schema.JsonObject): string => {
  output.push(item)
  return send("response.output_item.done", { output_index: output.length - 1, item })
}

const usage = (usage: Usage): Schema.JsonObject => ({
  input_tokens: usage.input ?? 0,
  input_tokens_details: { cached_tokens: usage.cached ?? 0 },
  output_tokens: usage.output ?? 0,
  output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
  total_tokens: (usage.input ?? 0) + (usage.output ?? 0)
})
