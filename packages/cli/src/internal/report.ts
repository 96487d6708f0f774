/** Writes the page of a session. */
import type { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import type { Codex } from "@effect-codex/client/Codex"
import { InvalidArgument } from "@effect-codex/client/CodexError"
import type { Price } from "@effect-codex/client/Pricing"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { basename, resolve } from "node:path"
import { line } from "./lines.ts"
import { openFile } from "./openFile.ts"
import * as ReportViews from "./reportViews.ts"
import * as RunOptions from "./runOptions.ts"
import { Screen } from "./screen.ts"
import * as Session from "./session.ts"
import * as ThreadIds from "./threadIds.ts"
import * as TurnWarnings from "./turnWarnings.ts"

export interface Options {
  readonly source: Option.Option<string>
  readonly last: boolean
  readonly output: Option.Option<string>
  readonly force: boolean
  readonly title: Option.Option<string>
  readonly prices: Option.Option<string>
  readonly open: boolean
}

interface Client {
  readonly codex: Codex["Service"]
  readonly rpc: AppServerRpc["Service"]
}

export const report = Effect.fnUntraced(function*(options: Options) {
  const { answer, line: tell } = yield* Screen
  const { output, source } = options
  if (Option.isSome(source) && options.last) {
    return yield* invalid("--last", "it cannot be combined with a thread or a file.")
  }
  if (Option.isNone(source) && !options.last) {
    return yield* invalid("source", "name a thread or a file, or give --last for the latest thread of this folder.")
  }
  const toStdout = Option.contains(output, "-")
  if (toStdout && options.open) return yield* invalid("--open", "it needs a file, and --output - is none.")
  const price = Option.getOrUndefined(yield* RunOptions.pricesOf(options.prices))
  const file = Option.isSome(source) && (yield* ReportViews.isFile(source.value)) ? source.value : undefined
  const found = file === undefined ? yield* ofThread(source) : yield* ReportViews.ofFile(file)
  for (const notice of found.notices) yield* tell(line(notice))
  const page = yield* render(found.view, price, Option.getOrUndefined(options.title))
  if (toStdout) return yield* answer(page)
  const name = Option.getOrElse(output, () => file === undefined ? nameOf(found.view) : fileNameOf(file))
  yield* write(name, page, options.force)
  yield* answer(`${name}\n`)
  if (!options.open) return
  const problem = yield* openFile(resolve(name))
  if (problem !== undefined) yield* tell(line(`It was not opened: ${problem}. Open the file in a browser yourself.`))
})

const invalid = (argument: string, detail: string) => new InvalidArgument({ argument, detail })

const ofThread = (source: Option.Option<string>) =>
  Effect.gen(function*() {
    const client: Client = yield* Session.connect({})
    const { codex } = client
    if (Option.isSome(source)) {
      return yield* ReportViews.ofThread(client, yield* ThreadIds.resolveAny(codex, "source", source.value))
    }
    const cwd = process.cwd()
    const last = yield* ThreadIds.last(codex, cwd)
    if (Option.isNone(last)) return yield* invalid("--last", `there is no thread of the folder ${cwd} yet.`)
    return yield* ReportViews.ofThread(client, last.value.id)
  }).pipe(Effect.scoped, TurnWarnings.without)

const render = (view: ReportViews.Found["view"], price: Price | undefined, title: string | undefined) =>
  // Loaded on demand: no other command needs it.
  Effect.map(
    Effect.promise(() => import("@effect-codex/report/Report")),
    ({ render }) => render(view, { price, title })
  )

// =============================================================================
// The file
// =============================================================================

/** A name that is safe on every system, from the title and the beginning of the id. */
export const nameOf = (
  { name, preview, threadId }: Pick<ReportViews.Found["view"], "name" | "preview" | "threadId">
) => {
  const words = (name ?? preview ?? "").slice(0, 200).normalize("NFKD").toLowerCase()
    .replace(/\p{M}/gu, "").replace(/[^a-z\d]+/g, "-").slice(0, 40).replace(/^-+|-+$/g, "")
  const id = threadId.slice(0, 13).replace(/[^\da-z-]/gi, "")
  return `${words === "" ? "thread" : words}-${id}.html`
}

const fileNameOf = (file: string): string => `${basename(file).replace(/\.jsonl$/, "")}.html`

const write = Effect.fnUntraced(function*(file: string, page: string, force: boolean) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(file, page, { flag: force ? "w" : "wx" }).pipe(
    Effect.mapError(({ message, reason }) =>
      invalid(
        "--output",
        reason._tag === "AlreadyExists"
          ? `${file} already exists. Choose another name, or replace it with --force.`
          : `${file} cannot be written: ${message}`
      )
    )
  )
})

/** The page of a thread that is open, in the folder. Succeeds with the name of the file. */
export const save = Effect.fnUntraced(function*(
  client: Client,
  threadId: string,
  options: { readonly file: string | undefined; readonly price: Price | undefined }
) {
  const { view } = yield* ReportViews.ofThread(client, threadId)
  const name = options.file ?? nameOf(view)
  yield* write(name, yield* render(view, options.price, undefined), false)
  return name
})
