/** What every HTTP server on loopback needs: any user of this machine, and any page in a browser, can send to it. */
import * as Effect from "effect/Effect"
import { ServeError } from "effect/http/HttpServerError"
import type * as Scope from "effect/Scope"
import type * as Http from "node:http"

/** Listens on 127.0.0.1 until the scope closes, which ends all connections. Gives the port. */
export const listen = (server: Http.Server, port = 0): Effect.Effect<number, ServeError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<number, ServeError>((resume) => {
      const failed = (cause: unknown): void => resume(Effect.fail(new ServeError({ cause })))
      server.once("error", failed)
      server.listen(port, "127.0.0.1", () => {
        server.off("error", failed)
        // Without a listener, a failed `accept` would end the program.
        server.on("error", () => {})
        const address = server.address()
        if (typeof address === "object" && address !== null) resume(Effect.succeed(address.port))
        else failed(new Error("the server has no port"))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

/** Without listeners, an error between two steps would end the program. */
export const withoutErrors = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
  request.on("error", () => {})
  response.on("error", () => {})
}

/** Answers with nothing but a status, and ends the connection without reading what else comes. */
export const refuse = (
  response: Http.ServerResponse,
  status: number,
  headers?: Readonly<Record<string, string>>
): void => {
  response.writeHead(status, { connection: "close", ...headers }).end()
}

export const bodyOf = (request: Http.IncomingMessage, maxBytes: number): Effect.Effect<string, "tooLarge"> =>
  Effect.callback<string, "tooLarge">((resume) => {
    const chunks: Array<Buffer> = []
    let length = 0
    request.on("data", (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBytes) resume(Effect.fail("tooLarge"))
      else chunks.push(chunk)
    })
    request.on("end", () => resume(Effect.sync(() => Buffer.concat(chunks).toString("utf8"))))
  })

/** Waits until the response is sent, or nobody waits for it any more. */
export const closed = (response: Http.ServerResponse): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const done = (): void => resume(Effect.void)
    if (response.destroyed) done()
    else response.once("close", done)
  })

export { sameToken } from "./sameToken.ts"
