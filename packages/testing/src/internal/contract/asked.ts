/** Cases about the request to the model: its tools, texts, images and headers. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Expect from "../../Expect.ts"
import * as ScriptedModel from "../../ScriptedModel.ts"
import type { Case } from "./model.ts"
import { ended, enqueue, equal, fact, request, runTurn, startThread, text } from "./story.ts"

/** The last request to the model. */
export const asked = Effect.flatMap(
  ScriptedModel.ScriptedModel,
  (model) => Effect.flatMap(model.requests, (requests) => Effect.fromNullishOr(requests.at(-1)))
)

const toldOf = Effect.map(asked, Expect.told)

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

/** A temporary folder, removed when the case ends. */
export const folder = Effect.acquireRelease(
  // Servers report the resolved paths of folders.
  Effect.sync(() => Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "contract-")))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const tool = (name: string) => ({
  type: "function" as const,
  name,
  description: "Does something.",
  inputSchema: { type: "object", properties: {} }
})

const ofTheTest = (text: string): boolean => /^(?:BASE|DEVELOPER)/.test(text)

export const cases: ReadonlyArray<Case> = [
  fact(
    "model: is offered the tools of codex, and those of the client before the last of them",
    Effect.gen(function*() {
      yield* enqueue("done")
      const dynamicTools = [
        tool("lookup"),
        { type: "namespace" as const, name: "tickets", description: "Tickets.", tools: [tool("close"), tool("open")] }
      ]
      yield* runTurn(yield* startThread({ dynamicTools }))
      yield* equal("their names", (yield* toldOf).tools, [
        "exec_command",
        "write_stdin",
        "request_user_input",
        "view_image",
        "multi_agent_v1.close_agent",
        "multi_agent_v1.resume_agent",
        "multi_agent_v1.send_input",
        "multi_agent_v1.spawn_agent",
        "multi_agent_v1.wait_agent",
        "get_goal",
        "create_goal",
        "update_goal",
        "lookup",
        "tickets.close",
        "tickets.open",
        "web_search"
      ])
      const { tools } = yield* asked
      yield* equal("one of the client", tools.find(({ name }) => name === "lookup"), {
        type: "function",
        name: "lookup",
        description: "Does something.",
        strict: false,
        parameters: { type: "object", properties: {} }
      })
      yield* enqueue("done")
      yield* runTurn(yield* startThread({ config: { "features.request_permissions_tool": true } }))
      yield* equal("one that is switched on", (yield* toldOf).tools.indexOf("request_permissions"), 3)
    })
  ),

  fact(
    "model: is told the instructions of the thread and of the developer in the developer's name, once",
    Effect.gen(function*() {
      const said = Effect.map(toldOf, ({ developerTexts }) => developerTexts.filter(ofTheTest))
      const threadId = yield* startThread({ baseInstructions: "BASE", developerInstructions: "DEVELOPER" })
      yield* enqueue("one", "two", "three", "four")
      yield* runTurn(threadId)
      yield* equal("in the first turn", [yield* said, (yield* asked).instructions], [["BASE", "DEVELOPER"], ""])
      yield* runTurn(threadId)
      yield* equal("in the second", yield* said, ["BASE", "DEVELOPER"])
      const { thread } = yield* request("thread/fork", {
        threadId,
        excludeTurns: true,
        baseInstructions: "BASE of the fork",
        developerInstructions: "DEVELOPER of the fork"
      })
      yield* runTurn(thread.id)
      yield* equal("in a fork", yield* said, ["BASE of the fork", "DEVELOPER"])
      yield* request("thread/archive", { threadId })
      yield* request("thread/unarchive", { threadId })
      yield* request("thread/resume", { threadId, excludeTurns: true, developerInstructions: "DEVELOPER again" })
      yield* runTurn(threadId)
      yield* equal("resumed", yield* said, ["BASE", "DEVELOPER"])
    })
  ),

  fact(
    "model: is told the images of the user, those of files too",
    Effect.gen(function*() {
      const path = yield* folder
      const png = Path.join(path, "pixel.png")
      const none = Path.join(path, "none.png")
      const words = Path.join(path, "words.png")
      Fs.writeFileSync(png, Buffer.from(pixel, "base64"))
      Fs.writeFileSync(words, "no image")
      const url = `data:image/png;base64,${pixel}`
      yield* enqueue("seen")
      const threadId = yield* startThread()
      const { turn } = yield* request("turn/start", {
        threadId,
        input: [
          { type: "localImage", path: png },
          { type: "image", url, detail: "original" },
          { type: "image", url, detail: "auto" },
          { type: "localImage", path: png, detail: "low" },
          { type: "localImage", path: none },
          { type: "localImage", path: words },
          { type: "mention", name: "app", path: "app://app" },
          { type: "skill", name: "none", path: Path.join(path, "SKILL.md") },
          { type: "audio", url: "data:audio/wav;base64,AAAA" },
          ...text("What is it?")
        ]
      })
      yield* ended(turn.id)
      const input = (text: string) => ({ type: "input_text", text })
      yield* equal("the message", (yield* asked).input.at(-1)?.["content"], [
        input(`<image name=[Image #1] path="${png}">`),
        { type: "input_image", image_url: url, detail: "high" },
        input("</image>"),
        { type: "input_image", image_url: url, detail: "high" },
        { type: "input_image", image_url: url, detail: "auto" },
        input(`<image name=[Image #4] path="${png}">`),
        input("image content omitted because detail 'low' is not supported; use 'high', 'original', or 'auto'"),
        input("</image>"),
        input(`Codex could not read the local image at \`${none}\`: No such file or directory (os error 2)`),
        input(`<image name=[Image #6] path="${words}">`),
        input("image content omitted because it could not be processed"),
        input("</image>"),
        input("audio content omitted because you do not support audio input"),
        input("What is it?")
      ])
      const { images } = yield* toldOf
      yield* equal("the images", images, [url, url, url])
      yield* enqueue("seen")
      const { turn: next } = yield* request("turn/start", {
        threadId,
        input: [{ type: "localImage", path: png }, ...text("And now?")]
      })
      yield* ended(next.id)
      yield* equal("what was said", (yield* toldOf).prompt, "And now?")
    })
  ),

  fact(
    "model: is told of an image that cannot be shown, and given what is no data URL as it is",
    Effect.gen(function*() {
      const path = yield* folder
      const words = Path.join(path, "words.txt")
      Fs.writeFileSync(words, "no sound")
      const image = (url: string) => ({ type: "image" as const, url })
      const sound = (url: string) => ({ type: "audio" as const, url })
      yield* enqueue("seen")
      const threadId = yield* startThread()
      const { turn } = yield* request("turn/start", {
        threadId,
        input: [
          image("/tmp/x.png"),
          image(""),
          image(pixel),
          image("data:image/png;base64,@@@@"),
          image("data:image/png;base64,"),
          image("data:image/png,abc"),
          image(`data:image/png;base64,${Buffer.from("hello").toString("base64")}`),
          image(`data:image/svg+xml;base64,${Buffer.from("<svg/>").toString("base64")}`),
          { type: "localImage", path },
          sound("data:audio/flac;base64,AAAA"),
          sound("data:audio/wav;base64,"),
          sound("/tmp/x.wav"),
          { type: "localAudio", path: "/nowhere/at/all.wav" },
          { type: "localAudio", path: words }
        ]
      })
      yield* ended(turn.id)
      const input = (text: string) => ({ type: "input_text", text })
      const unreadable = input("image content omitted because it could not be processed")
      yield* equal("the message", (yield* asked).input.at(-1)?.["content"], [
        { type: "input_image", image_url: "/tmp/x.png", detail: "high" },
        { type: "input_image", image_url: "", detail: "high" },
        { type: "input_image", image_url: pixel, detail: "high" },
        ...Array.from({ length: 5 }, () => unreadable),
        input(`Codex could not read the local image at \`${path}\`: Is a directory (os error 21)`),
        input("audio content omitted because its format is not supported; use wav, mp3, m4a, webm, or ogg"),
        input("audio content omitted because it could not be processed"),
        input("audio content omitted because it could not be processed"),
        input("Codex could not read the local audio at `/nowhere/at/all.wav`: No such file or directory (os error 2)"),
        input(`Codex cannot attach audio at \`${words}\`: unsupported audio format; use wav, mp3, m4a, webm, or ogg.`)
      ])
    })
  ),

  fact(
    "model: hears by the headers who asks, and of which thread",
    Effect.gen(function*() {
      yield* enqueue("done", "done")
      const threadId = yield* startThread()
      yield* runTurn(threadId)
      const { authorization, headers } = yield* asked
      const { accept, originator } = headers
      yield* equal("what it is", [accept, headers["content-type"]], ["text/event-stream", "application/json"])
      yield* equal("the thread", [headers["session-id"], headers["thread-id"], headers["x-client-request-id"]], [
        threadId,
        threadId,
        threadId
      ])
      yield* equal("the client", [originator, /^(\S+)\/\d+\.\d+\.\d+\S* \(/.exec(headers["user-agent"] ?? "")?.[1]], [
        "effect_codex",
        "effect_codex"
      ])
      yield* equal("a login", Option.isSome(authorization), false)
      yield* request("account/login/start", { type: "apiKey", apiKey: "sk-contract" })
      yield* runTurn(threadId)
      yield* equal("a key that is not wanted", Option.isSome((yield* asked).authorization), false)
      yield* request("account/logout", undefined)
    })
  )
]
