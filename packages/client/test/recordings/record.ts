/**
 * Records turns of the pinned codex binary for the drift tests:
 * `node --conditions=@effect-codex/source packages/client/test/recordings/record.ts`. Each is everything that the server wrote from
 * the start of the thread to the end of its one turn.
 */
import { CodexExecutable } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Readline from "node:readline"

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly item?: { readonly type: string }; readonly turn?: { readonly id: string } }
  readonly result?: { readonly thread?: { readonly id: string }; readonly turn?: { readonly id: string } }
}

interface Recording {
  readonly answers: ReadonlyArray<ScriptedModel.Answer>
  readonly approvalPolicy: string
  /** The turn is interrupted when an item of this type has begun and the usage is told, which come in no order. */
  readonly interruptAt?: string
}

const recordings: { readonly [name: string]: Recording } = {
  patch: {
    approvalPolicy: "untrusted",
    answers: [
      ScriptedModel.reply([
        ScriptedModel.reasoning(["I ", "write it."]),
        ScriptedModel.exec("apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch\nEOF")
      ]),
      ScriptedModel.text(["All ", "done."])
    ]
  },
  failed: { approvalPolicy: "never", answers: [ScriptedModel.httpFailure(401, "bad key")] },
  interrupted: {
    approvalPolicy: "never",
    answers: [ScriptedModel.exec("sleep 30")],
    interruptAt: "commandExecution"
  }
}

const play = (binary: string, { env, path, workspace }: CodexHome.CodexHome["Service"], recording: Recording) =>
  new Promise<string>((resolve) => {
    const codex = spawn(binary, ["app-server"], {
      cwd: workspace,
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "ignore"]
    })
    const frames: Array<object> = []
    const methods = ["initialize", "thread/start", "turn/start", "turn/interrupt"] as const
    const write = (message: object): void => void codex.stdin.write(`${JSON.stringify(message)}\n`)
    const ask = (id: 0 | 1 | 2 | 3, params: object): void => write({ id, method: methods[id], params })
    let threadId = ""
    let turnId = ""
    let awaited = 2
    Readline.createInterface({ input: codex.stdout }).on("line", (line) => {
      const { id, method, params, result } = JSON.parse(line) as Message
      if (method === undefined) {
        const asked = methods[id ?? 0]
        if (asked === "thread/start" || asked === "turn/start") {
          frames.push({ kind: "clientRequest", method: asked, result })
        }
        if (asked === "initialize") {
          write({ method: "initialized" })
          ask(1, { cwd: workspace, approvalPolicy: recording.approvalPolicy, sandbox: "workspace-write" })
        } else if (asked === "thread/start") {
          threadId = result?.thread?.id ?? ""
          ask(2, { threadId, input: [{ type: "text", text: "go", text_elements: [] }] })
        } else if (asked === "turn/start") {
          turnId = result?.turn?.id ?? ""
        }
      } else if (id === undefined) {
        if (frames.length > 0) frames.push({ kind: "serverNotification", method, params })
        const isBegun = method === "item/started" && params?.item?.type === recording.interruptAt
        if (isBegun || method === "thread/tokenUsage/updated") awaited--
        if (recording.interruptAt !== undefined && awaited === 0) {
          ask(3, { threadId, turnId })
          awaited = 2
        }
        if (method === "turn/completed") codex.stdin.end()
      } else {
        frames.push({ kind: "serverRequest", method, params })
        write({ id, result: { decision: "accept" } })
      }
    })
    ask(0, {
      clientInfo: { name: "recorder", title: null, version: "0.0.0" },
      capabilities: { experimentalApi: true, requestAttestation: false }
    })
    codex.once("exit", () =>
      resolve(
        `[\n${
          frames.map((frame) =>
            JSON.stringify(frame).replaceAll(workspace, "/home/user/workspace").replaceAll(path, "/home/user/.codex")
              .replaceAll(Path.dirname(workspace), "/home/user")
          ).join(",\n")
        }\n]\n`
      ))
  })

const main = Effect.gen(function*() {
  const { executable } = yield* CodexExecutable.find()
  for (const [name, recording] of Object.entries(recordings)) {
    const text = yield* Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue(...recording.answers)
      const home = yield* CodexHome.CodexHome
      return yield* Effect.promise(() => play(executable, home, recording))
    }).pipe(Effect.provide(Layer.provideMerge(CodexHome.layer(), ScriptedModel.layer())))
    Fs.writeFileSync(Path.join(import.meta.dirname, `${name}.json`), text)
  }
})

await Effect.runPromise(Effect.provide(main, NodeServices.layer))
