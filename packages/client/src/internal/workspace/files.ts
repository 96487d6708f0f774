/** Files and folders of the server's machine. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { DecodeError, FileError, InvalidArgument, type RpcError } from "../../CodexError.ts"
import type { FileKind, Workspace } from "../../Workspace.ts"
import * as OptionKinds from "../options.ts"
import { call } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import * as Paths from "../settings/serverPaths.ts"
import { defined } from "../settings/settings.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import * as OsErrors from "./osErrors.ts"

type Files = Pick<
  Workspace["Service"],
  "readFile" | "readText" | "writeFile" | "stat" | "list" | "createFolder" | "remove" | "copy"
>

interface Place {
  readonly path: string
  readonly destination?: string | undefined
}

/** The error of the operating system behind a refusal, if there is one. */
export const fileErrorOf = (rpc: Rpc, { method, detail }: RpcError, place: Place): FileError | undefined => {
  const osError = ServerTexts.osErrorOf(detail)
  const reason = osError === undefined ? ServerTexts.fileRefusal(detail) : OsErrors.meaningOf(rpc, osError)
  return reason === undefined
    ? undefined
    : new FileError({ reason, method, detail, ...defined({ osError }), ...defined(place), path: place.path })
}

/** Turns refusals into errors about the file. */
export const fileErrors = (rpc: Rpc, place: Place) => <A, E>(request: Effect.Effect<A, E | RpcError>) =>
  Effect.mapError(request, (error) => isRpcError(error) ? fileErrorOf(rpc, error, place) ?? error : error)

const isRpcError = (error: unknown): error is RpcError => Predicate.isTagged(error, "RpcError")

const kindOf = (entry: { readonly isDirectory: boolean; readonly isFile: boolean }): FileKind =>
  entry.isDirectory ? "folder" : entry.isFile ? "file" : "other"

// The server sends 0 for a time that its file system does not keep.
const timeOf = (millis: number): Option.Option<DateTime.Utc> => millis === 0 ? Option.none() : DateTime.make(millis)

const bytesOf = (content: unknown): Effect.Effect<string, InvalidArgument> =>
  Predicate.isString(content) || content instanceof Uint8Array
    ? Effect.sync(() => Base64.encode(content))
    : new InvalidArgument({ argument: "content", detail: "expected a string or a Uint8Array." })

export const make = (rpc: Rpc): Files => {
  const read = Effect.fnUntraced(function*(path: string) {
    yield* Paths.check("path", path)
    const reply = yield* rpc.request("fs/readFile", { path }).pipe(fileErrors(rpc, { path }))
    const bytes = Base64.decode(reply.dataBase64)
    return Result.isSuccess(bytes)
      ? bytes.success
      : yield* new DecodeError({ method: "fs/readFile", issue: "the data is not base64.", raw: reply })
  })

  return {
    readFile: Effect.fn("Workspace.readFile")(read),
    readText: Effect.fn("Workspace.readText")(function*(path) {
      const bytes = yield* read(path)
      return yield* Effect.try({
        // Without `ignoreBOM` a text that is read and written back would lose its byte order mark.
        try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
        catch: () =>
          new FileError({ reason: "notText", method: "fs/readFile", path, detail: "the file is not UTF-8 text." })
      })
    }),
    writeFile: Effect.fn("Workspace.writeFile")(function*(path, content) {
      yield* Paths.check("path", path)
      const dataBase64 = yield* bytesOf(content)
      yield* call(rpc, "fs/writeFile", { path, dataBase64 }).pipe(fileErrors(rpc, { path }))
    }),
    stat: Effect.fn("Workspace.stat")(function*(path) {
      yield* Paths.check("path", path)
      const info = yield* rpc.request("fs/getMetadata", { path }).pipe(fileErrors(rpc, { path }))
      return {
        kind: kindOf(info),
        isSymlink: info.isSymlink,
        createdAt: timeOf(info.createdAtMs),
        modifiedAt: timeOf(info.modifiedAtMs)
      }
    }),
    list: Effect.fn("Workspace.list")(function*(path) {
      yield* Paths.check("path", path)
      const { entries } = yield* rpc.request("fs/readDirectory", { path }).pipe(fileErrors(rpc, { path }))
      return entries.map((entry) => ({ name: entry.fileName, kind: kindOf(entry) }))
    }),
    createFolder: Effect.fn("Workspace.createFolder")(function*(path, options) {
      yield* Paths.check("path", path)
      yield* OptionKinds.check(options, { recursive: OptionKinds.flag })
      yield* call(rpc, "fs/createDirectory", { path, recursive: options?.recursive ?? true }).pipe(
        fileErrors(rpc, { path })
      )
    }),
    remove: Effect.fn("Workspace.remove")(function*(path, options) {
      yield* Paths.check("path", path)
      yield* OptionKinds.check(options, { force: OptionKinds.flag, recursive: OptionKinds.flag })
      // The server's own defaults are true: one call would remove a whole tree.
      const { force = false, recursive = false } = options ?? {}
      yield* call(rpc, "fs/remove", { path, force, recursive }).pipe(fileErrors(rpc, { path }))
    }),
    copy: Effect.fn("Workspace.copy")(function*(from, to, options) {
      yield* Paths.check("from", from)
      yield* Paths.check("to", to)
      yield* OptionKinds.check(options, { recursive: OptionKinds.flag })
      const recursive = options?.recursive ?? false
      yield* call(rpc, "fs/copy", { sourcePath: from, destinationPath: to, recursive }).pipe(
        fileErrors(rpc, { path: from, destination: to })
      )
    })
  }
}
