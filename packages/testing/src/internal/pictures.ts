/** Describes requests and answers of a scripted model in one line each, for failure messages. */
import type { HttpFailure, ModelRequest, Part, Reply, ScriptedAnswer } from "../ScriptedModel.ts"

export const shortened = (text: string, length = 120): string =>
  text.length > length ? `${text.slice(0, length)}…` : text

export const pictureOfRequest = (request: ModelRequest): string =>
  [
    JSON.stringify(shortened(request.prompt)),
    ...request.toolOutputs.map(({ callId, output }) => `${callId} returned ${JSON.stringify(shortened(output))}`),
    `${request.tools.length} tools`
  ].join(", ")

export const pictureOfAnswer = (answer: ScriptedAnswer): string => {
  if (typeof answer === "function") return "a function"
  if (typeof answer === "string") return JSON.stringify(shortened(answer))
  if (!("_tag" in answer)) return pictureOfParts(answer)
  switch (answer._tag) {
    case "Reply":
      return pictureOfReply(answer)
    case "HttpFailure":
      return pictureOfFailure(answer)
    default:
      return pictureOfParts([answer])
  }
}

const pictureOfFailure = ({ body, status }: HttpFailure): string =>
  body === null ? `HTTP ${status}` : `HTTP ${status} ${shortened(JSON.stringify(body))}`

const pictureOfReply = ({ end, parts }: Reply): string =>
  [pictureOfParts(parts), ...end._tag === "Completed" ? [] : [end._tag]].filter((text) => text !== "").join(", ")

const pictureOfParts = (parts: ReadonlyArray<string | Part>): string => parts.map(pictureOfPart).join(", ")

const pictureOfPart = (part: string | Part): string => {
  if (typeof part === "string") return JSON.stringify(shortened(part))
  switch (part._tag) {
    case "Text":
      return JSON.stringify(shortened(part.deltas.filter((delta) => typeof delta === "string").join("")))
    case "FunctionCall":
      return `${part.name} ${shortened(part.arguments)}`
    case "Event":
      return `the event ${part.event}`
    case "Item":
      return shortened(JSON.stringify(part.item))
    default:
      return part._tag.toLowerCase()
  }
}
