/** What this client answers a request of the server with, as a frame. */
import * as Result from "effect/Result"
import * as Frame from "../wire/frame.ts"

export type RequestId = string | number

export const refused = (code: number, message: string) => ({ error: { code, message } })

/** Of what the client says itself, which always is JSON. */
export const frameOf = (id: RequestId, reply: object): string =>
  Result.getOrElse(
    Frame.encode({ id, ...reply }),
    (problem) => JSON.stringify({ id, ...refused(-32603, `The client's answer cannot be sent: ${problem}`) })
  )
