/** Cases about files of the server's machine. */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Case } from "./model.ts"
import { equal, fact, refusal, request } from "./story.ts"

/** A new folder of this name in the server's working directory. */
const folderOf = Effect.fnUntraced(function*(name: string) {
  const { cwd } = yield* request("thread/start", { ephemeral: true })
  const path = `${cwd}/${name}`
  yield* request("fs/remove", { path })
  yield* request("fs/createDirectory", { path })
  return path
})

const base64 = (text: string): string => Buffer.from(text).toString("base64")

const write = (path: string, text: string) => request("fs/writeFile", { path, dataBase64: base64(text) })

export const cases: ReadonlyArray<Case> = [
  fact(
    "files: are written, read, listed, copied and removed",
    Effect.gen(function*() {
      const folder = yield* folderOf("contract-files")
      yield* write(`${folder}/a`, "grüße")
      yield* write(`${folder}/../contract-files/a`, "grün")
      yield* request("fs/createDirectory", { path: `${folder}/b/c` })
      yield* request("fs/copy", { sourcePath: `${folder}/a`, destinationPath: `${folder}/b/c/a` })
      yield* request("fs/copy", { sourcePath: `${folder}/b`, destinationPath: `${folder}/d`, recursive: true })
      const { dataBase64 } = yield* request("fs/readFile", { path: `${folder}/d/c/a` })
      yield* equal("the copy", dataBase64, base64("grün"))
      yield* request("fs/remove", { path: `${folder}/b` })
      yield* request("fs/remove", { path: `${folder}/b` })
      const { entries } = yield* request("fs/readDirectory", { path: folder })
      yield* equal("the entries", entries.toSorted((a, b) => a.fileName < b.fileName ? -1 : 1), [
        { fileName: "a", isDirectory: false, isFile: true },
        { fileName: "d", isDirectory: true, isFile: false }
      ])
      const { isDirectory, isFile, isSymlink } = yield* request("fs/getMetadata", { path: `${folder}/a` })
      yield* equal("the metadata", [isDirectory, isFile, isSymlink], [false, true, false])
    })
  ),

  fact(
    "files: are refused with the number of the operating system's error",
    Effect.gen(function*() {
      const folder = yield* folderOf("contract-refused")
      const [file, none] = [`${folder}/file`, `${folder}/none`]
      yield* write(file, "x")
      yield* request("fs/createDirectory", { path: `${folder}/full/one` })
      const missing = "-32603 No such file or directory (os error 2)"
      const notFolder = "-32603 Not a directory (os error 20)"
      const expected = [
        [refusal(request("fs/readFile", { path: none })), missing],
        [refusal(request("fs/getMetadata", { path: none })), missing],
        [refusal(write(`${none}/below`, "x")), missing],
        [refusal(request("fs/remove", { path: none, force: false })), missing],
        [refusal(request("fs/copy", { sourcePath: file, destinationPath: `${none}/below` })), missing],
        [refusal(request("fs/createDirectory", { path: `${none}/below`, recursive: false })), missing],
        [refusal(request("fs/readFile", { path: `${file}/below` })), notFolder],
        [refusal(write(`${file}/below`, "x")), notFolder],
        [refusal(request("fs/readDirectory", { path: file })), notFolder],
        [refusal(request("fs/createDirectory", { path: `${file}/below` })), notFolder],
        [refusal(request("fs/createDirectory", { path: file })), "-32603 File exists (os error 17)"],
        [refusal(write(folder, "x")), "-32603 Is a directory (os error 21)"],
        [
          refusal(request("fs/remove", { path: `${folder}/full`, recursive: false })),
          "-32603 Directory not empty (os error 39)"
        ],
        [refusal(request("fs/readFile", { path: folder })), `-32600 path \`${folder}\` is not a file`],
        [
          refusal(request("fs/copy", { sourcePath: folder, destinationPath: none })),
          "-32600 fs/copy requires recursive: true when sourcePath is a directory"
        ],
        [
          refusal(request("fs/copy", { sourcePath: folder, destinationPath: `${folder}/in`, recursive: true })),
          "-32600 fs/copy cannot copy a directory to itself or one of its descendants"
        ],
        [
          refusal(request("fs/readFile", { path: "file" })),
          "-32600 Invalid request: AbsolutePathBuf deserialized without a base path"
        ]
      ] as const
      for (const [index, [actual, text]] of expected.entries()) {
        yield* equal(`refusal ${index}`, yield* actual, text)
      }
    })
  ),

  fact(
    "files: a watch tells what changes, until it ends",
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const folder = yield* folderOf("contract-watch")
      /** The watches that are told of a file that is written. */
      const told = Effect.fnUntraced(function*(name: string, last: string) {
        const seen: Array<unknown> = []
        const telling = yield* Effect.forkChild(
          rpc.notifications.pipe(
            Stream.filter((event) => event._tag === "fs/changed"),
            Stream.tap(({ params }) => Effect.sync(() => seen.push(params))),
            Stream.takeUntil(({ params }) => params.watchId === last),
            Stream.runDrain
          ),
          { startImmediately: true }
        )
        yield* write(`${folder}/${name}`, "x")
        yield* Fiber.join(telling)
        return seen
      })
      const watched = yield* request("fs/watch", { watchId: "contract-1", path: folder })
      yield* equal("the path", watched, { path: folder })
      yield* equal(
        "a second watch with the id",
        yield* refusal(request("fs/watch", { watchId: "contract-1", path: folder })),
        "-32600 watchId already exists: contract-1"
      )
      yield* equal("what is told", yield* told("one", "contract-1"), [
        { watchId: "contract-1", changedPaths: [`${folder}/one`] }
      ])
      yield* request("fs/unwatch", { watchId: "contract-1" })
      yield* request("fs/unwatch", { watchId: "contract-1" })
      yield* request("fs/watch", { watchId: "contract-2", path: `${folder}/two` })
      yield* equal("what is told later", yield* told("two", "contract-2"), [
        { watchId: "contract-2", changedPaths: [`${folder}/two`] }
      ])
      yield* request("fs/unwatch", { watchId: "contract-2" })
    })
  )
]
