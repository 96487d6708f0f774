/** The frames that answer server requests. */
import * as Result from "effect/Result"
import * as Frame from "../wire/frame.ts"

export type RequestId = string | number

export const refused = (code: number, message: string) => ({ error: { code, message } })

/** The frame of a reply that the client makes itself. If it cannot be encoded, an error takes its place. */
export const frameOf = (id: RequestId, reply: object): string =>
  Result.getOrElse(
    Frame.encode({ id, ...reply }),
    (problem) => JSON.stringify({ id, ...refused(-32603, `The client's answer cannot be sent: ${problem}`) })
  )
