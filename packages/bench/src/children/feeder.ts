/** Stands in for `codex app-server`: answers the few requests that are needed and writes a workload. */
import * as Fs from "node:fs"
import { createInterface } from "node:readline"
import type { Workload } from "../workload.ts"
import { bytesOf, completed, idOf, message, started, turnOf } from "../workload.ts"

const workload = JSON.parse(process.argv[2]!) as Workload
const flood = workload.perTurn || workload.pace !== undefined ? Buffer.alloc(0) : bytesOf(workload)

// The child's end of the pipe blocks, so this writes as fast as the reader reads.
const write = (data: Buffer): void => {
  for (let at = 0; at < data.length;) at += Fs.writeSync(1, data, at, Math.min(65_536, data.length - at))
}
const send = (text: string): void => write(Buffer.from(text))

const paced = (perSecond: number): void => {
  const writes: Array<Buffer> = []
  for (let i = 0; i < workload.messages; i += 3) {
    const count = Math.min(3, workload.messages - i)
    const texts = Array.from({ length: count }, (_, j) => {
      const n = i + j
      return message(workload, n % workload.turns, Math.floor(n / workload.turns))
    })
    writes.push(Buffer.from(texts.join("")))
  }
  const begin = performance.now()
  for (let i = 0; i < writes.length; i++) {
    while (performance.now() - begin < (i * 3000) / perSecond);
    write(writes[i]!)
  }
  for (let turn = 0; turn < workload.turns; turn++) send(completed(turn))
}

const thread = (id: string) => ({
  id,
  environments: [],
  extra: null,
  sessionId: id,
  forkedFromId: null,
  attachedToThreadId: null,
  parentThreadId: null,
  preview: "",
  ephemeral: false,
  section: null,
  sectionEnteredAt: null,
  projectId: null,
  historyMode: "paginated",
  modelProvider: "mock",
  model: "mock-model",
  reasoningEffort: null,
  createdAt: 1795374428,
  updatedAt: 1795374428,
  recencyAt: 1795374428,
  status: { type: "idle" },
  path: null,
  cwd: "/workspace",
  cliVersion: "0.169.0",
  originator: "bench",
  source: "vscode",
  canAcceptDirectInput: true,
  threadSource: null,
  agentNickname: null,
  agentRole: null,
  gitInfo: null,
  name: null,
  daybreakEnabled: null,
  turns: []
})

let threads = 0
let turns = 0

interface Request {
  readonly id?: number
  readonly method: string
}

const resultOf = (method: string): object => {
  switch (method) {
    case "initialize":
      return {
        userAgent: "effect_codex/0.169.0 (Debian 12.0.0; x86_64) xterm (effect_codex; 0.0.0)",
        codexHome: "/home/someone/.codex",
        platformFamily: "unix",
        platformOs: "linux"
      }
    case "thread/start":
      return {
        thread: thread(idOf("thread", threads++)),
        model: "mock-model",
        modelProvider: "mock",
        serviceTier: null,
        disabledPluginIds: [],
        cwd: "/workspace",
        runtimeWorkspaceRoots: [],
        instructionSources: [],
        approvalPolicy: "on-request",
        approvalsReviewer: "auto_review",
        sandbox: { type: "readOnly", networkAccess: false },
        activePermissionProfile: null,
        reasoningEffort: null,
        multiAgentMode: "explicitRequestOnly"
      }
    case "turn/start":
      return { turn: turnOf(turns, "inProgress") }
    case "thread/loaded/list":
      return { data: [], nextCursor: null }
    case "thread/unsubscribe":
      return { status: "unsubscribed" }
    default:
      return {}
  }
}

createInterface({ input: process.stdin }).on("line", (text) => {
  const { id, method } = JSON.parse(text) as Request
  if (id === undefined) return
  send(`${JSON.stringify({ id, result: resultOf(method) })}\n`)
  if (method === "turn/start") {
    const turn = turns++
    send(started(turn))
    if (workload.perTurn) {
      const texts = Array.from({ length: workload.messages }, (_, n) => message(workload, turn, n))
      send(texts.join("") + completed(turn))
    }
  }
  // This request tells the feeder to go.
  if (method !== "thread/loaded/list") return
  if (workload.pace !== undefined) paced(workload.pace)
  else write(flood)
})
