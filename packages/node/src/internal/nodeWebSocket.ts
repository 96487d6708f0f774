/** The `ws` package as the client's WebSocket, over TCP or a unix socket. */
import { WebSocket } from "@effect/platform-node/NodeWS"
import * as Layer from "effect/Layer"
import * as Socket from "effect/socket/Socket"
import type { IncomingMessage } from "node:http"
import * as Net from "node:net"

export interface Options {
  readonly maxFrameBytes: number
  /** The file of a unix socket, to which every connection goes, whatever its URL says. */
  readonly socketPath?: string | undefined
}

/** Half of what codex 0.169 takes in one frame. */
const fragmentLength = 8 * 1024 * 1024

/** Text of up to this many code units has at most three times as many bytes. */
const unsplit = Math.floor(fragmentLength / 3)

class CodexWebSocket extends WebSocket {
  /** What codex 0.169 takes in a message of several frames. */
  readonly maxMessageBytes = 64 * 1024 * 1024

  override send(data: string): void {
    if (typeof data !== "string" || data.length <= unsplit) return super.send(data)
    const bytes = Buffer.from(data)
    for (let start = 0; start < bytes.length; start += fragmentLength) {
      const end = start + fragmentLength
      super.send(bytes.subarray(start, end), { binary: false, fin: end >= bytes.length })
    }
  }
}

const keepAliveMillis = 30_000

// `ws` tells the status of a refusal; the server says in the body what is wrong with a token.
const onRefusal = (ws: WebSocket, response: IncomingMessage): void => {
  let body = ""
  const refuse = (): void => {
    const said = body.trim().slice(0, 200)
    ws.emit("error", new Error(`Unexpected server response: ${response.statusCode}${said === "" ? "" : `: ${said}`}`))
    ws.terminate()
  }
  response.setEncoding("utf8")
  response.on("data", (chunk: string) => {
    if (body.length < 1000) body += chunk
  })
  response.once("close", refuse)
}

export const layer = ({ maxFrameBytes, socketPath }: Options): Layer.Layer<Socket.WebSocketConstructor> =>
  Layer.succeed(Socket.WebSocketConstructor)((url, options) => {
    const { headers, protocols } = options === undefined || typeof options === "string" || Array.isArray(options)
      ? { protocols: options, headers: undefined }
      : options
    const ws = new CodexWebSocket(url, protocols, {
      headers,
      maxPayload: maxFrameBytes,
      // The server offers none.
      perMessageDeflate: false,
      ...(socketPath === undefined ? {} : { createConnection: () => Net.connect({ path: socketPath }) })
    })
    // In Bun there is no socket: the answer is no Node object there.
    ws.on("upgrade", ({ socket }: Partial<IncomingMessage>) => socket?.setKeepAlive(true, keepAliveMillis))
    ws.on("unexpected-response", (_request, response) => onRefusal(ws, response))
    return ws
  })
