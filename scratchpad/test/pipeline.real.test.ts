import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Option, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { readdirSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"

const demo = join(import.meta.dirname, "..", "pipeline", "demo.ts")

const start = Effect.fnUntraced(function*(folder: string, ...args: ReadonlyArray<string>) {
  const child = yield* ChildProcess.make(
    process.execPath,
    ["--conditions=@effect-codex/source", "--disable-warning=ExperimentalWarning", demo, ...args],
    {
      env: { DEMO_FOLDER: folder, DEMO_PACKAGES: "ai,schema" },
      extendEnv: true,
      stdin: "ignore",
      forceKillAfter: "5 seconds"
    }
  )
  return { child, lines: Stream.splitLines(Stream.decodeText(child.stderr)) }
})

/** Runs the demo until it says this, and kills it then. */
const killedAt = (folder: string, said: string) =>
  Effect.gen(function*() {
    const { child, lines } = yield* start(folder)
    const line = yield* Stream.runHead(Stream.filter(lines, (line) => line.includes(said)))
    yield* Effect.ignore(child.kill({ killSignal: "SIGKILL" }))
    return Option.getOrThrow(line)
  }).pipe(Effect.scoped)

const toItsEnd = (folder: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { child, lines } = yield* start(folder, ...args)
    const said = yield* Stream.runCollect(lines)
    assert.strictEqual(yield* child.exitCode, 0, said.join("\n"))
    return said
  }).pipe(Effect.scoped)

/** How often agents have answered with this text, in all threads. */
const answers = (folder: string, text: string): number => {
  const sessions = join(folder, "codex", "sessions")
  return readdirSync(sessions, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".jsonl"))
    .flatMap((file) => readFileSync(join(sessions, file), "utf8").split("\n"))
    .filter((line) => line.includes(`"role":"assistant"`) && line.includes(text)).length
}

it.live("the pipeline goes on after two kills, and is answered from another process while none runs", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped({ directory: homedir(), prefix: ".effect-codex-demo-" })
    // The other reviews are in the middle of a turn.
    yield* killedAt(folder, "✓")
    assert.include(yield* killedAt(folder, "May I"), `run "cp draft.md REVIEW.md"`)
    assert.include((yield* toItsEnd(folder, "allow")).join("\n"), `Allowed: run "cp draft.md REVIEW.md"`)
    const said = (yield* toItsEnd(folder)).join("\n")
    assert.include(said, "The report is written.")
    assert.notInclude(said, "✗")

    assert.strictEqual(answers(folder, "I have read every file"), 2)
    assert.strictEqual(answers(folder, "findings"), 2)
    const review = yield* fs.readFileString(join(folder, "workspace", "REVIEW.md"))
    assert.match(review, /^# Review\n\n(- packages\/(ai|schema)\/src\/\S+ is the longest, with \d+ lines\n){2}$/)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

it.live("the pipeline is watched and answered on a page", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped({ directory: homedir(), prefix: ".effect-codex-demo-" })
    const { child, lines } = yield* start(folder, "--web")
    const said: Array<string> = []
    const answering = (url: string) =>
      Effect.promise(async (signal) => {
        let text = ""
        const reader = (await fetch(`${url}events`, { signal })).body!.pipeThrough(new TextDecoderStream())
        for await (const chunk of reader) {
          text += chunk
          const id = /data-offer=\\"([^"\\]+)/.exec(text)?.[1]
          if (id === undefined) continue
          assert.include(text, "cp draft.md REVIEW.md")
          const { status } = await fetch(`${url}decide`, {
            method: "POST",
            headers: { "content-type": "application/json", origin: new URL(url).origin },
            body: JSON.stringify({ id, decision: "accept" })
          })
          return status
        }
        return 0
      })
    yield* lines.pipe(
      Stream.tap((line) => {
        said.push(line)
        const [, url] = /Watch it at (\S+)/.exec(line) ?? []
        return url === undefined
          ? Effect.void
          : Effect.forkScoped(Effect.map(answering(url), (status) => said.push(`answered: ${status}`)))
      }),
      Stream.runDrain
    )
    assert.strictEqual(yield* child.exitCode, 0, said.join("\n"))
    assert.include(said, "answered: 204")
    assert.include(said.join("\n"), "The report is written.")
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
