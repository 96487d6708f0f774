/** A page over a client that the test plays, and a browser that sends what no browser would. */
import { ApprovalQueue, AppServerRpc, CodexError, ServerNotification, type ServerRequests } from "@effect-codex/client"
import { Watch } from "@effect-codex/report"
import { Deferred, Effect, Layer, Queue, Redacted, Stream } from "effect"
import * as Http from "node:http"

/** Plays the client: what it hears, what is asked of it, and its end. */
export const client = Effect.gen(function*() {
  const heard = yield* Queue.unbounded<ServerNotification.ServerNotification>()
  const ended = yield* Deferred.make<CodexError.ConnectionError>()
  const decode = yield* ServerNotification.decode
  const queue = yield* ApprovalQueue.make
  const reads: Array<unknown> = []
  const lost = new CodexError.TransportError({ reason: "closed", detail: "codex is gone." })
  const request: AppServerRpc.AppServerRpc["Service"]["request"] = (method, params) =>
    Effect.suspend(() => {
      reads.push([method, params])
      // Every request may fail with this, which the compiler cannot see without knowing the method.
      return Effect.fail(lost) as Effect.Effect<never>
    })
  const rpc = Layer.mock(AppServerRpc.AppServerRpc, {
    serverInfo: { version: "1", userAgent: "", codexHome: "/", platformFamily: "unix", platformOs: "linux" },
    restarts: 0,
    notifications: Stream.fromQueue(heard),
    diagnosticEvents: Stream.never,
    ended: Deferred.await(ended),
    request
  })
  const hear = (method: string, params: unknown) => Queue.offer(heard, decode({ _tag: method, params }))
  const item = (threadId: string, id: string, text: string) =>
    hear("item/completed", {
      threadId,
      turnId: "turn",
      item: {
        type: "agentMessage",
        moderation: null,
        id,
        text,
        phase: null,
        memoryCitation: null,
        delivery: null,
        questions: null
      },
      startedAtMs: 1000,
      completedAtMs: 2000
    })
  const command = (threadId: string, id: string, aggregatedOutput: string) =>
    hear("item/completed", {
      threadId,
      turnId: "turn",
      item: {
        type: "commandExecution",
        id,
        pluginId: null,
        scriptPath: null,
        command: "make",
        cwd: "/",
        processId: null,
        source: "agent",
        status: "completed",
        commandActions: [],
        aggregatedOutput,
        exitCode: 0,
        durationMs: 5
      },
      startedAtMs: 1000,
      completedAtMs: 2000
    })
  const handler = queue.handlers["item/commandExecution/requestApproval"]!
  /** Asks whether a command may run. Gives the answer, once somebody has decided. */
  const ask = (
    threadId: string,
    params: Partial<ServerRequests.Request<"item/commandExecution/requestApproval">["params"]>
  ) =>
    handler({
      id: 1,
      method: "item/commandExecution/requestApproval",
      params: {
        threadId,
        turnId: "turn",
        itemId: "item",
        kind: "command",
        startedAtMs: 1000,
        ...params
      } as ServerRequests.Request<"item/commandExecution/requestApproval">["params"],
      item: undefined
    }).pipe(Effect.forkScoped({ startImmediately: true }))
  const end = Deferred.succeed(ended, lost)
  return {
    ask,
    command,
    end,
    hear,
    item,
    reads,
    layer: Layer.merge(rpc, Layer.succeed(ApprovalQueue.ApprovalQueue, queue))
  }
})

export type Client = Effect.Success<typeof client>

/** Serves the page of a client until the scope closes. */
export const serve = (given: Client, options?: Watch.Options) =>
  Effect.map(Effect.provide(Watch.make(options), given.layer), ({ url }) => new URL(Redacted.value(url)))

export interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Http.OutgoingHttpHeaders
  readonly body?: string
}

export interface Answer {
  readonly status: number | undefined
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
}

/** Sends a request. `path` is relative to the address of the page, unless it begins with a slash. */
export const send = (url: URL, sent: Sent = {}) =>
  Effect.callback<Answer, Error>((resume) => {
    const path = sent.path ?? ""
    const request = Http.request({
      host: url.hostname,
      port: url.port,
      path: path.startsWith("/") ? path : url.pathname + path,
      method: sent.method ?? "GET",
      agent: false,
      headers: sent.headers
    }, (response) => {
      let text = ""
      response.setEncoding("utf8")
        .on("data", (chunk: string) => text += chunk)
        .on("error", (error) => resume(Effect.fail(error)))
        .on("end", () => resume(Effect.succeed({ status: response.statusCode, headers: response.headers, text })))
    })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.end(sent.body)
    return Effect.sync(() => request.destroy())
  })

/** Decides as a page does. */
export const decide = (url: URL, id: string, decision: string, headers: Http.OutgoingHttpHeaders = {}) =>
  send(url, {
    method: "POST",
    path: "decide",
    headers: { "content-type": "application/json", origin: url.origin, ...headers },
    body: JSON.stringify({ id, decision })
  })

export interface Part {
  readonly id: string
  readonly html: string
}

/** Follows a page as a browser does, which keeps the parts. */
export const follow = Effect.fnUntraced(function*(url: URL, path = "events") {
  let text = ""
  let events = 0
  let isOver = false
  const parts = new Map<string, string>()
  const said: Array<readonly [name: string, data: unknown]> = []
  let waiting: Array<() => void> = []
  const take = () => {
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [, name = "", data = ""] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? []
      text = text.slice(end + 2)
      if (name === "") continue
      events++
      const given: unknown = JSON.parse(data)
      said.push([name, given])
      if (name === "parts") {
        for (const { html, id } of (given as { parts: ReadonlyArray<Part> }).parts) parts.set(id, html)
      }
    }
    const now = waiting
    waiting = []
    for (const check of now) check()
  }
  const response = yield* Effect.acquireRelease(
    Effect.callback<Http.IncomingMessage, Error>((resume) => {
      Http.get(new URL(path, url), { agent: false }, (response) => resume(Effect.succeed(response)))
        .on("error", (error) => resume(Effect.fail(error)))
    }),
    (response) => Effect.sync(() => void response.destroy())
  )
  response.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk
    take()
  }).on("close", () => {
    isOver = true
    take()
  }).on("error", () => {})
  const until = (what: () => boolean) =>
    Effect.callback<void>((resume) => {
      const check = (): void => {
        if (what()) resume(Effect.void)
        else waiting.push(check)
      }
      check()
    })
  return {
    status: response.statusCode,
    pause: Effect.sync(() => void response.pause()),
    resume: Effect.sync(() => void response.resume()),
    /** Waits until a part of the page has a text. */
    has: (part: string, text: string) => until(() => parts.get(part)?.includes(text) === true),
    until,
    over: until(() => isOver),
    part: (id: string) => parts.get(id) ?? "",
    parts,
    said,
    events: () => events
  }
})

/** The id of the first approval in a part. */
export const offerIn = (html: string): string => /data-offer="([^"]+)"/.exec(html)?.[1] ?? "none"
