/** What codex takes without a word and cannot use is refused before it is sent: on the real codex binary. */
import { Codex, CodexError, DynamicTools, Input, Sandbox, type Thread } from "@effect-codex/client"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option, Schema, type Scope } from "effect"

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
const png = `data:image/png;base64,${pixel}`
const gif = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
const webp = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"
const base64 = (text: string) => Buffer.from(text).toString("base64")

const services = Effect.all({
  codex: Codex.Codex,
  fs: FileSystem.FileSystem,
  home: CodexHome.CodexHome,
  model: ScriptedModel.ScriptedModel
})

type Services = Effect.Success<typeof services>

const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>,
  codex: NonNullable<ScriptedCodex.Options["codex"]> = {}
) =>
  it.live(name, () =>
    Effect.flatMap(services, test).pipe(
      Effect.scoped,
      Effect.provide(ScriptedCodex.layer({ codex, model: { answer: ({ prompt }) => `re: ${prompt}` } })),
      Effect.provide(NodeServices.layer)
    ))

const refused = <A, E, R>(effect: Effect.Effect<A, E, R>, argument: string, words: string) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, CodexError.InvalidArgument)
    assert.strictEqual(error.argument, argument)
    assert.include(error.message, words)
  })

const wrongImages: ReadonlyArray<readonly [name: string, url: string, words: string]> = [
  ["nothing", "", "empty"],
  ["a path", "/tmp/x.png", "not a data URL"],
  ["a file URL", "file:///tmp/x.png", "not a data URL"],
  ["bare base64", pixel, "not a data URL"],
  ["an address", "https://example.com/x.png", "a web address"],
  ["a space before it", ` ${png}`, "not a data URL"],
  ["no base64", `data:image/png;base64,@@@@`, "is not base64"],
  ["base64 in lines", png.replace(/(.{40})/g, "$1\n"), "is not base64"],
  ["the alphabet of URLs", png.replaceAll("/", "_"), "is not base64"],
  ["padding alone", "data:image/png;base64,==", "is not base64"],
  ["no data", "data:image/png;base64,", "no data"],
  ["percent encoding", "data:image/png,%89PNG", "not encoded as base64"],
  ["text", `data:image/png;base64,${base64("hello")}`, "not PNG, JPEG, GIF or WebP"],
  ["a bitmap", `data:image/bmp;base64,${base64("BM-and-more-of-it")}`, "not PNG, JPEG, GIF or WebP"],
  ["SVG", `data:image/svg+xml;base64,${base64("<svg/>")}`, "not PNG, JPEG, GIF or WebP"]
]

describe("an image", () => {
  real(
    "that the model would refuse is refused, and the thread is not spoiled",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        for (const [, url, words] of wrongImages) {
          yield* refused(thread.run(["look", Input.image(url)]), "input[1]", words)
        }
        yield* refused(thread.run(Input.image("")), "input", "empty. Give the bytes as a data URL")
        const { finalResponse } = yield* thread.run("go on")
        assert.deepStrictEqual(Option.getOrThrow(finalResponse), "re: go on")
        assert.notInclude(JSON.stringify(yield* model.requests), "input_image")
      })
  )

  real(
    "of each type that codex takes reaches the model, whatever it is declared as",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const taken = [
          png,
          `data:image/gif;base64,${gif}`,
          `data:image/webp;base64,${webp}`,
          `data:image/jpeg;base64,${pixel}`,
          `DATA:IMAGE/PNG;BASE64,${pixel}`,
          `data:;base64,${pixel}`,
          png.replaceAll("=", "")
        ]
        yield* thread.run(taken.map(Input.image))
        const sent = JSON.stringify((yield* model.requests).at(-1)?.input)
        assert.strictEqual(sent.split("input_image").length - 1, taken.length)
        assert.notInclude(sent, "omitted")
      })
  )

  real("is refused where a turn is steered", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["on ", gate]))
      const turn = yield* (yield* codex.startThread()).turn("go")
      yield* refused(turn.steer(["look", Input.image("/tmp/x.png")]), "input[1]", "not a data URL")
      yield* turn.interrupt
    }))

  real("is refused where items are injected", ({ codex }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      const message = (image_url: string) => ({
        type: "message",
        role: "user",
        content: [{ type: "input_text", text: "look" }, { type: "input_image", image_url }]
      })
      yield* refused(thread.inject([message(png), message("/tmp/x.png")]), "items[1]", "data URL")
      yield* thread.inject([message(png)])
    }))

  real("of a tool is told to the model in words", ({ codex, model }) =>
    Effect.gen(function*() {
      let imageUrl = ""
      const look = DynamicTools.tool("look", {
        description: "d",
        input: Schema.Struct({}),
        handler: () => Effect.sync(() => ["before", DynamicTools.image(imageUrl)])
      })
      const tools = yield* DynamicTools.make(look)
      for (const [name, url, words] of wrongImages) {
        imageUrl = url
        const thread = yield* codex.startThread({ tools })
        yield* model.enqueue(ScriptedModel.functionCall("look", {}), "seen")
        yield* thread.run("look")
        const sent = JSON.stringify((yield* model.requests).at(-1)?.input)
        assert.include(sent, "The tool answered with an image that cannot be used: ", name)
        assert.include(sent, words, name)
        assert.include(sent, "before", name)
        assert.notInclude(sent, "input_image", name)
      }
    }))
})

describe("sound", () => {
  real("that codex passes over is refused", ({ codex }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      for (
        const [url, words] of [
          ["", "empty"],
          ["/tmp/x.wav", "Input.localAudio"],
          ["https://example.com/x.wav", "a web address"],
          ["data:audio/wav,abc", "not encoded as base64"],
          ["data:audio/wav;base64,", "no data"],
          ["data:audio/flac;base64,AAAA", "wav, mp3, m4a, webm or ogg"],
          [png, "wav, mp3, m4a, webm or ogg"]
        ] as const
      ) yield* refused(thread.run(Input.audio(url)), "input", words)
      yield* thread.run(Input.audio("data:audio/mpeg;base64,SUQz"))
    }))
})

describe("a file", () => {
  real("that codex could not read, or not show, is refused", ({ codex, fs, home }) =>
    Effect.gen(function*() {
      const at = (name: string) => `${home.workspace}/${name}`
      yield* fs.writeFile(at("pixel"), Buffer.from(pixel, "base64"))
      yield* fs.writeFileString(at("notes.txt"), "hello")
      yield* fs.writeFileString(at("empty.png"), "")
      yield* fs.writeFileString(at("sound.wav"), "RIFF....WAVE")
      yield* fs.makeDirectory(at("folder"))
      const thread = yield* codex.startThread({ cwd: at("folder") })
      const wrong: ReadonlyArray<readonly [Input.InputItem, string]> = [
        [Input.localImage(at("none.png")), `${at("none.png")} does not exist.`],
        // codex does not look for it in the folder of the thread.
        [Input.localImage("none.png"), `${at("none.png")} does not exist. codex looks for none.png in its own`],
        [Input.localImage("~/none.png"), "does not exist"],
        [Input.localImage("a\0b"), "cannot be read"],
        // What a program without types may give.
        [JSON.parse(`{ "type": "localImage" , "path": 5 }`), "expected the path of a file"],
        [JSON.parse(`{ "type": "image", "url": null }`), "expected a data URL"],
        [Input.localImage(at("folder")), "is a folder"],
        [Input.localImage(at("notes.txt")), "PNG, JPEG, GIF or WebP"],
        [Input.localImage(at("empty.png")), "is empty"],
        [Input.localAudio(at("none.wav")), "does not exist"],
        [Input.localAudio(at("notes.txt")), "wav, mp3, m4a, webm or ogg"],
        [Input.skill("demo", at("none/SKILL.md")), "does not exist"],
        [Input.skill("demo", at("folder")), "is a folder"],
        [Input.mention("notes", at("none")), "does not exist"]
      ]
      for (const [item, words] of wrong) yield* refused(thread.run(["look", item]), "input[1]", words)
      yield* thread.run([
        Input.localImage(at("pixel")),
        Input.localImage("pixel"),
        Input.localAudio(at("sound.wav")),
        Input.mention("notes", at("notes.txt")),
        Input.mention("folder", at("folder")),
        Input.mention("app", "app://some-id")
      ])
    }))
})

describe("a folder", () => {
  const calls = (
    codex: Codex.Codex["Service"],
    thread: Thread.Thread,
    cwd: string
  ): ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> => [
    ["start", codex.startThread({ cwd })],
    ["resume", codex.resumeThread(thread.id, { cwd })],
    ["fork", codex.forkThread(thread.id, { cwd })],
    ["the handle's fork", thread.fork({ cwd })],
    ["run", thread.run("go", { cwd })],
    ["updateSettings", thread.updateSettings({ cwd })]
  ]

  real(
    "in which no command could run is refused, and nothing is started",
    ({ codex, fs, home, model }) =>
      Effect.gen(function*() {
        const file = `${home.workspace}/file`
        yield* fs.writeFileString(file, "")
        const thread = yield* codex.startThread()
        yield* thread.run("hello")
        for (const [, call] of calls(codex, thread, `${home.workspace}/none`)) {
          yield* refused(call, "cwd", `the folder ${home.workspace}/none does not exist.`)
        }
        for (const [, call] of calls(codex, thread, file)) yield* refused(call, "cwd", `${file} is a file`)
        // codex resolves it from its own working directory.
        for (const [, call] of calls(codex, thread, "none")) yield* refused(call, "cwd", `${home.workspace}/none`)
        for (const [, call] of calls(codex, thread, "~/none")) yield* refused(call, "cwd", "/none does not exist")
        for (const [, call] of calls(codex, thread, "")) yield* refused(call, "cwd", "the path is empty")
        // What a program without types may give.
        for (const [, call] of calls(codex, thread, JSON.parse("5"))) yield* refused(call, "cwd", "expected the path")
        yield* refused(codex.resumeThread(thread.id, JSON.parse(`{ "sandbox": "read-only" }`)), "sandbox", "expected")
        assert.strictEqual((yield* model.requests).length, 1)
        yield* fs.makeDirectory(`${home.workspace}/there`)
        for (const cwd of ["there", ".", "~", `${home.workspace}/there`]) yield* codex.startThread({ cwd })
      })
  )

  real("to write in that codex would leave out is refused", ({ codex, fs, home }) =>
    Effect.gen(function*() {
      const none = `${home.workspace}/none`
      yield* fs.writeFileString(`${home.workspace}/file`, "")
      const thread = yield* codex.startThread()
      const sandbox = (...writableRoots: ReadonlyArray<string>) => Sandbox.workspaceWriteWith({ writableRoots })
      const roots = "sandbox.writableRoots"
      yield* refused(codex.startThread({ sandbox: sandbox("/", "some/folder") }), `${roots}[1]`, "only absolute paths")
      yield* refused(codex.startThread({ sandbox: sandbox(none) }), `${roots}[0]`, `the folder ${none} does not exist`)
      yield* refused(thread.run("go", { sandbox: sandbox(none) }), `${roots}[0]`, "does not exist")
      yield* refused(thread.updateSettings({ sandbox: sandbox("x") }), `${roots}[0]`, "only absolute paths")
      const workspaces = (root: string) => codex.startThread({ runtimeWorkspaceRoots: [root] })
      yield* refused(workspaces("x"), "runtimeWorkspaceRoots[0]", "only absolute paths")
      yield* refused(workspaces(none), "runtimeWorkspaceRoots[0]", "does not exist")
      yield* refused(workspaces(`${home.workspace}/file`), "runtimeWorkspaceRoots[0]", "is a file")
    }))

  real(
    "that is gone keeps nobody from resuming and reading the thread",
    ({ codex, fs, home }) =>
      Effect.gen(function*() {
        const cwd = `${home.workspace}/gone`
        yield* fs.makeDirectory(cwd)
        const { id, run } = yield* codex.startThread({ cwd })
        yield* run("hello")
        yield* fs.remove(cwd, { recursive: true })
        const thread = yield* codex.resumeThread(id)
        assert.strictEqual((yield* thread.read()).cwd, cwd)
        yield* thread.run("What did we do?")
        yield* (yield* thread.fork()).read()
      })
  )

  real("is not looked at for a codex with other files", ({ codex, home }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread({ cwd: `${home.workspace}/none` })
      yield* thread.run(Input.localImage(`${home.workspace}/none.png`))
    }), { checkFiles: false })
})
