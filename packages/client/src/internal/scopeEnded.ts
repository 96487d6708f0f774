/** The error for callers that wait for something whose scope closes. */
import { TransportError } from "../CodexError.ts"

export const scopeEnded = (of: "layer" | "turn" | "goal") =>
  new TransportError({ reason: "closed", detail: `the ${of}'s scope has ended.` })
