/**
 * The HTTP server of the pages. It listens on loopback, which every user of this machine and every page in a browser
 * reaches. So nothing is there without the token, which is the first part of each path: a cookie would be sent to every
 * other port of loopback too. `Host` keeps out names that were made to resolve to loopback, `Origin` other pages.
 */
import { millis } from "@effect-codex/client/internal/monotonic"
import * as Loopback from "@effect-codex/node/internal/loopback"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type { ServeError } from "effect/http/HttpServerError"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as Http from "node:http"
import * as Report from "../../Report.ts"
import { html } from "../html.ts"
import { documents, policy as reportPolicy } from "../page.ts"
import type { Board, Row } from "./board.ts"
import * as Conversation from "./conversation.ts"
import * as List from "./list.ts"
import { decisions } from "./offers.ts"
import { script } from "./script.ts"
import { style } from "./style.ts"
import { titleOf } from "./titles.ts"

const maxConnections = 256
/** Each keeps what it has sent, and is drawn for. */
const maxBrowsers = 32
const maxBodyBytes = 4096

/** The shortest time between two updates of a browser, and how much of its time the program may spend on drawing. */
const pauseMs = 250
const share = 0.1

/** Shows a browser, and what is in between, that the connection is alive; a browser that is gone is noticed. */
const heartbeat = "15 seconds"

const live = documents(style, script, ["connect-src 'self'"])

const headers = (type: string, policy = live.policy) => ({
  "content-type": `${type}; charset=utf-8`,
  "cache-control": "no-store",
  "content-security-policy": `${policy}; frame-ancestors 'none'`,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
})

interface Asked {
  readonly path: string
  readonly query: URLSearchParams
}

/** The path below the token, or undefined if the token is not there. */
const askedOf = (url: string, token: string): Asked | undefined => {
  const [, given = "", path, query = ""] = /^\/([^/?]*)\/([^?]*)(?:\?(.*))?$/.exec(url) ?? []
  return path !== undefined && Loopback.sameToken(token, given)
    ? { path, query: new URLSearchParams(query) }
    : undefined
}

/** The status to refuse a request with before its path is looked at, or undefined. */
const refusalOf = ({ headers, method }: Http.IncomingMessage, host: string): number | undefined => {
  if (headers.host !== host) return 403
  const { origin } = headers
  const own = `http://${host}`
  if (origin !== undefined ? origin !== own : method === "POST") return 403
  return undefined
}

/** What a script or a stylesheet of another page asks for. A person may come from a link of any page. */
const isFromElsewhere = ({ headers }: Http.IncomingMessage): boolean => {
  const site = headers["sec-fetch-site"]
  return site !== undefined && site !== "same-origin" && site !== "none" && headers["sec-fetch-mode"] !== "navigate"
}

const decisionOf = (body: string): { readonly id: string; readonly decision: typeof decisions[number] } | undefined => {
  try {
    const given: unknown = JSON.parse(body)
    if (!Predicate.isObject(given)) return undefined
    const { decision, id } = given
    const known = decisions.find((one) => one === decision)
    return known !== undefined && Predicate.isString(id) ? { id, decision: known } : undefined
  } catch {
    return undefined
  }
}

/** Writes, and waits until the browser has taken it. In one step: between two, it could be taken unnoticed. */
const write = (response: Http.ServerResponse, text: string): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (response.write(text)) return resume(Effect.void)
    const done = (): void => resume(Effect.void)
    response.once("drain", done)
    return Effect.sync(() => void response.off("drain", done))
  })

const show = (response: Http.ServerResponse, page: string, policy: string): void => {
  response.writeHead(200, headers("text/html", policy)).end(page)
}

// Lines end only in front of `data:`, because JSON has none.
const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

export interface Options extends List.Settings {
  readonly port: number
  readonly token: string
}

/** Listens until the scope closes, which ends all connections. Gives the address, with the token. */
export const make = (board: Board, options: Options): Effect.Effect<string, ServeError, Scope.Scope> =>
  Effect.gen(function*() {
    const { token } = options
    const clock = yield* Clock.Clock
    const run = randomUUID()
    let browsers = 0

    const partsOf = (row: Row | undefined): () => ReadonlyArray<List.Piece> =>
      row === undefined ? () => List.parts(board, options) : Conversation.make(board, options, row)

    const shell = (row: Row | undefined): string =>
      live.page(
        row === undefined ? "Threads of codex" : titleOf(row.view),
        html`<a href="./">All threads</a><span id="state" role="status">connecting</span>`,
        html`<main>${
          partsOf(row)().map(({ html: part, id }) => html`<div class="part" id="${id}">${part}</div>`)
        }</main>`
      )

    /**
     * Draws when something has changed and the browser has taken what was sent before. So a slow one misses states, and
     * nothing waits for it.
     */
    const follow = Effect.fnUntraced(function*(response: Http.ServerResponse, row: Row | undefined) {
      const draw = partsOf(row)
      const sent = new Map<string, string>()
      let version = -1
      while (true) {
        const isNews = yield* board.after(version).pipe(
          Effect.as(true),
          Effect.timeoutOrElse({ duration: heartbeat, orElse: () => Effect.succeed(false) })
        )
        if (!isNews) {
          yield* write(response, ": alive\n\n")
          continue
        }
        version = board.version
        const begun = millis(clock)
        const all = draw()
        const parts = all.flatMap(({ html: { markup }, id }) => {
          if (sent.get(id) === markup) return []
          sent.set(id, markup)
          return [{ id, html: markup }]
        })
        const ids = all.map(({ id }) => id)
        for (const id of sent.keys()) if (!ids.includes(id)) sent.delete(id)
        yield* write(response, event("parts", { of: run, ids, parts }))
        // Each time, because what still comes then would be taken for life.
        if (board.ended !== undefined) yield* write(response, event("ended", board.ended))
        yield* Effect.sleep(Math.max(pauseMs, (millis(clock) - begun) / share))
      }
    })

    const failed = (cause: unknown) => Effect.logError("Watch could not draw a page", cause)

    const events = (response: Http.ServerResponse, row: Row | undefined) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          browsers++
          response.writeHead(200, headers("text/event-stream"))
          response.flushHeaders()
        }),
        () =>
          follow(response, row).pipe(
            Effect.catchDefect(failed),
            Effect.raceFirst(Loopback.closed(response))
          ),
        () =>
          Effect.sync(() => {
            browsers--
            response.destroy()
          })
      )

    const decide = (request: Http.IncomingMessage, response: Http.ServerResponse) =>
      Loopback.bodyOf(request, maxBodyBytes).pipe(
        Effect.map(decisionOf),
        Effect.flatMap((given) =>
          given === undefined
            ? Effect.succeed(400)
            : Effect.map(board.decide(given.id, given.decision), (isDecided) => isDecided ? 204 : 410)
        ),
        Effect.match({ onFailure: () => 413, onSuccess: (status) => status }),
        Effect.map((status) =>
          status === 204 ? response.writeHead(204, headers("text/plain")).end() : Loopback.refuse(response, status)
        ),
        Effect.raceFirst(Loopback.closed(response))
      )

    // The server closes first, so that no fiber begins when they are interrupted.
    const fork = yield* FiberSet.makeRuntime<never>()
    let host = ""
    const answer = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
      const asked = askedOf(request.url ?? "", token)
      if (asked === undefined) return Loopback.refuse(response, 404)
      if (isFromElsewhere(request)) return Loopback.refuse(response, 403)
      const { path, query } = asked
      const allowed = path === "decide" ? "POST" : "GET"
      if (!["", "decide", "events", "report"].includes(path)) return Loopback.refuse(response, 404)
      if (request.method !== allowed) return Loopback.refuse(response, 405, { allow: allowed })
      if (path === "decide") {
        if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
          return Loopback.refuse(response, 415)
        }
        return void fork(decide(request, response))
      }
      const key = query.get("thread")
      const row = key === null ? undefined : board.row(key)
      if (key !== null && row === undefined) return Loopback.refuse(response, 404)
      if (path === "events") {
        return browsers >= maxBrowsers ? Loopback.refuse(response, 503) : void fork(events(response, row))
      }
      if (path === "report") {
        if (row === undefined) return Loopback.refuse(response, 404)
        return show(response, Report.render(row.view, options), reportPolicy)
      }
      show(response, shell(row), live.policy)
    }
    const server = Http.createServer((request, response) => {
      Loopback.withoutErrors(request, response)
      const refusal = refusalOf(request, host)
      if (refusal !== undefined) return Loopback.refuse(response, refusal)
      try {
        answer(request, response)
      } catch (cause) {
        // A price of the program may throw, which must not end it.
        fork(failed(cause))
        Loopback.refuse(response, 500)
      }
    })
    server.maxConnections = maxConnections
    const port = yield* Loopback.listen(server, options.port)
    // As a browser writes it: without the port if that is 80.
    host = new URL(`http://127.0.0.1:${port}`).host
    return `http://${host}/${token}/`
  })
