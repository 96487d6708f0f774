/** Provides the `ws` package as the client's WebSocket, over TCP or a unix socket. */
import { WebSocket } from "@effect/platform-node/NodeWS"
import * as Layer from "effect/Layer"
import * as Socket from "effect/socket/Socket"
import type { IncomingMessage } from "node:http"
import * as Net from "node:net"

export interface Options {
  readonly maxFrameBytes: number
  /** The file of a unix socket. All connections go there, whatever their URL. */
  readonly socketPath?: string | undefined
}

/** Half the limit: docs/codex-behaviour.md, "A WebSocket takes 16 MiB in one frame and 64 MiB in one message". */
const fragmentLength = 8 * 1024 * 1024

/** A code unit takes at most three bytes, so text of up to this length fits into one fragment. */
const unsplit = Math.floor(fragmentLength / 3)

class CodexWebSocket extends WebSocket {
  /** docs/codex-behaviour.md, "A WebSocket takes 16 MiB in one frame and 64 MiB in one message". */
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

// `ws` reports only the status. The reason is in the body: docs/codex-behaviour.md, "A refused token is HTTP 401, with
// the reason in the body".
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
      // The server does not support compression.
      perMessageDeflate: false,
      ...(socketPath === undefined ? {} : { createConnection: () => Net.connect({ path: socketPath }) })
    })
    // Bun's response is not a Node object and has no socket.
    ws.on("upgrade", ({ socket }: Partial<IncomingMessage>) => socket?.setKeepAlive(true, keepAliveMillis))
    ws.on("unexpected-response", (_request, response) => onRefusal(ws, response))
    return ws
  })
