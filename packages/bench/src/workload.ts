/** What the feeder writes: deterministic messages in the sizes and proportions that codex 0.169 sends. */

/** What a feeder writes. It is passed as JSON, so it holds nothing but data. */
export interface Workload {
  readonly messages: number
  readonly turns: number
  /**
   * - `mix`: 98 % deltas of agent messages, the rest items that begin, token usage, and commands with 16 KiB of output.
   * - `deltas`: one message of nothing but deltas.
   * - `outputs`: finished commands with `itemBytes` of output.
   */
  readonly kind: "mix" | "deltas" | "outputs"
  readonly itemBytes?: number
  /** Messages per second, three in a write, like the real server. Default: as fast as the reader takes them. */
  readonly pace?: number
  /** Writes the messages of a turn when the turn starts. Default: writes all once the feeder is told to go. */
  readonly perTurn?: boolean
  /** How many messages pass before the measurement begins. Default: 0. */
  readonly warmUp?: number
}

/** An id in the form that codex uses. The last group is random there and evenly spread here. */
export const idOf = (kind: "thread" | "turn", n: number): string => {
  const last = BigInt.asUintN(48, BigInt(n + 1) * 0x9e3779b97f4bn).toString(16).padStart(12, "0")
  return `01a204a7-${kind === "thread" ? "b649" : "b64f"}-75b2-84d7-${last}`
}

const itemIdOf = (n: number): string => `msg_${String(n).padStart(46, "0")}`

const words = "the agent writes a few words at a time so that a person can follow what it does and why it does it"
  .split(" ")

const output = (bytes: number, n: number): string => {
  const line = `${n} src/internal/module.ts: 42 passed, 0 failed, "quoted"\n`
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes)
}

const breakdown = (tokens: number) => ({
  totalTokens: tokens,
  inputTokens: tokens,
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0
})

export const turnOf = (n: number, status: string) => ({
  id: idOf("turn", n),
  rootTurnId: idOf("turn", n),
  items: [],
  itemsView: "notLoaded",
  status,
  error: null,
  startedAt: 1795374429,
  completedAt: status === "completed" ? 1795374431 : null,
  durationMs: status === "completed" ? 1500 : null
})

const line = (method: string, params: object, n: number): string =>
  `${JSON.stringify({ method, params, emittedAtMs: 1795374429791 + n })}\n`

export const started = (turn: number): string =>
  line("turn/started", { threadId: idOf("thread", turn), turn: turnOf(turn, "inProgress") }, 0)

export const completed = (turn: number): string =>
  line("turn/completed", { threadId: idOf("thread", turn), turn: turnOf(turn, "completed") }, 0)

/** The `n`th message of a turn. */
export const message = (workload: Workload, turn: number, n: number): string => {
  const of = { threadId: idOf("thread", turn), turnId: idOf("turn", turn) }
  const command = (bytes: number) => ({
    ...of,
    item: {
      type: "commandExecution",
      id: `call_${n}`,
      pluginId: null,
      scriptPath: null,
      command: "npm test",
      cwd: "/workspace",
      processId: null,
      source: "agent",
      status: "completed",
      commandActions: [],
      aggregatedOutput: output(bytes, n),
      exitCode: 0,
      durationMs: 20
    },
    completedAtMs: 1795374431045
  })
  if (workload.kind === "outputs") return line("item/completed", command(workload.itemBytes ?? 16 * 1024), n)
  const place = n % 1000
  if (workload.kind === "mix") {
    if (place === 500) return line("item/completed", command(16 * 1024), n)
    if (place % 100 === 0) {
      const item = {
        type: "agentMessage",
        moderation: null,
        id: itemIdOf(Math.floor(n / 100)),
        text: "",
        phase: null,
        memoryCitation: null,
        delivery: null,
        questions: null
      }
      return line("item/started", { ...of, item, startedAtMs: 1795374504263 }, n)
    }
    if (place % 200 === 50) {
      const tokenUsage = { last: breakdown(n), total: breakdown(2 * n), modelContextWindow: 258400 }
      return line("thread/tokenUsage/updated", { ...of, tokenUsage }, n)
    }
  }
  const itemId = itemIdOf(workload.kind === "mix" ? Math.floor(n / 100) : 0)
  const delta = `${words[n % words.length]} ${words[(7 * n) % words.length]} `
  return line("item/agentMessage/delta", { ...of, itemId, delta }, n)
}

/** All messages, taking one of each turn in turn, and then the ends of the turns. */
export const bytesOf = (workload: Workload): Buffer => {
  const parts: Array<Buffer> = []
  let texts: Array<string> = []
  for (let i = 0; i < workload.messages; i++) {
    texts.push(message(workload, i % workload.turns, Math.floor(i / workload.turns)))
    if (texts.length === 4096) {
      parts.push(Buffer.from(texts.join("")))
      texts = []
    }
  }
  for (let turn = 0; turn < workload.turns; turn++) texts.push(completed(turn))
  parts.push(Buffer.from(texts.join("")))
  return Buffer.concat(parts)
}
