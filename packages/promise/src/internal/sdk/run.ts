/** Runs a turn of the drop-in and yields the SDK's events. */
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import {
  ApprovalMode,
  AppServerExited,
  Input,
  isCodexError,
  Sandbox,
  type StartThreadOptions,
  type Thread,
  type ThreadEvent,
  type ThreadItem,
  TransportError,
  type Turn,
  TurnFailed,
  type TurnOptions
} from "../../index.ts"
import { check, exited, preamble, type Run } from "./checks.ts"
import { Events, isEnd, type Members, membersOf, paramsOf } from "./events.ts"
import { type Server, Servers } from "./servers.ts"
import type * as Sdk from "./types.ts"

/** The error that the SDK rejects with when it kills its process. */
const abortError = (signal: AbortSignal) =>
  Object.assign(new Error("The operation was aborted", { cause: signal.reason }), {
    name: "AbortError",
    code: "ABORT_ERR"
  })

const failure = (error: unknown): unknown => {
  if (!isCodexError(error)) return error
  if ("method" in error && "code" in error) {
    const { code, detail, method } = error
    return exited(`${preamble}Error: ${method}: ${method} failed: ${detail} (code ${code})`, error)
  }
  if (!(error instanceof AppServerExited)) return exited(`${preamble}Error: ${error.message}`, error)
  const how = error.signal === null ? `code ${error.code ?? 1}` : `signal ${error.signal}`
  return exited(`${how}: ${error.stderr.join("\n")}`, error)
}

const sandboxes: { readonly [mode: string]: Sandbox.Sandbox } = {
  "read-only": Sandbox.readOnly,
  "workspace-write": Sandbox.workspaceWrite,
  "danger-full-access": Sandbox.fullAccess
}

const programs = { standard: "standard", daybreak_blue: "daybreakBlue", daybreak_red: "daybreakRed" } as const

const settings = (options: Sdk.ThreadOptions): StartThreadOptions => {
  const { additionalDirectories = [], networkAccessEnabled, webSearchEnabled } = options
  const webSearch = options.webSearchMode ??
    (webSearchEnabled === undefined ? undefined : webSearchEnabled ? "live" : "disabled")
  return {
    model: options.model || undefined,
    cwd: resolve(options.workingDirectory ?? "."),
    sandbox: options.sandboxMode && sandboxes[options.sandboxMode],
    // Whatever the policy says: docs/codex-behaviour.md, "codex exec asks nobody, whatever the policy says".
    approvalMode: ApprovalMode.denyAll,
    threadSource: options.threadSource,
    config: {
      ...options.modelReasoningEffort && { model_reasoning_effort: options.modelReasoningEffort },
      ...webSearch && { web_search: webSearch },
      ...networkAccessEnabled !== undefined && { "sandbox_workspace_write.network_access": networkAccessEnabled },
      ...additionalDirectories.length > 0 && {
        "sandbox_workspace_write.writable_roots": additionalDirectories.map((folder) => resolve(folder))
      }
    }
  }
}

interface Opened {
  readonly thread: Thread
  /**
   * The thread's settings again, for its turn: docs/codex-behaviour.md, "A loaded thread ignores what it is resumed
   * with".
   */
  readonly turnOptions: TurnOptions
}

/**
 * The settings to resume a thread with. Like `codex exec`, uses the configuration, not the thread's stored settings.
 */
const current = async ({ codex }: Server, options: Sdk.ThreadOptions, signal: AbortSignal | undefined) => {
  const { config: own, cwd, model, sandbox: _, ...given } = settings(options)
  const { config } = await codex.request("config/read", { cwd: cwd ?? null }, { signal })
  const { exclude_slash_tmp, exclude_tmpdir_env_var, network_access, writable_roots = [] } = {
    ...config.sandbox_workspace_write
  }
  const mode = options.sandboxMode ?? config.sandbox_mode ?? "read-only"
  const turnOptions: TurnOptions = {
    cwd,
    model: model ?? config.model ?? undefined,
    effort: options.modelReasoningEffort ?? config.model_reasoning_effort ?? undefined,
    approvalMode: given.approvalMode,
    sandbox: mode === "workspace-write"
      ? Sandbox.workspaceWriteWith({
        // As codex itself does: docs/codex-behaviour.md, "A folder to write in has to be absolute, and is left out if
        // it does not exist".
        writableRoots: (options.additionalDirectories?.map((folder) => resolve(folder)) ?? writable_roots)
          .filter((folder) => existsSync(folder)),
        networkAccess: options.networkAccessEnabled ?? network_access,
        excludeSlashTmp: exclude_slash_tmp,
        excludeTmpdirEnvVar: exclude_tmpdir_env_var
      })
      : sandboxes[mode]
  }
  return { turnOptions, config: own, modelProvider: config.model_provider ?? undefined }
}

const open = async (server: Server, { threadId, threadOptions, turnOptions: { signal } }: Run): Promise<Opened> => {
  if (threadId === null) {
    const thread = await server.codex.startThread({ ...settings(threadOptions), signal })
    return { thread, turnOptions: {} }
  }
  const { config, modelProvider, turnOptions } = await current(server, threadOptions, signal)
  const { effort: _, ...kept } = turnOptions
  return { thread: await server.codex.resumeThread(threadId, { ...kept, config, modelProvider, signal }), turnOptions }
}

const inputOf = (input: Sdk.Input): Input.Input => {
  if (typeof input === "string") return input
  const images = input.flatMap((item) => item.type === "local_image" ? [Input.localImage(item.path)] : [])
  const texts = input.flatMap((item) => item.type === "text" ? [item.text] : [])
  return [...images, texts.join("\n\n")]
}

const storedItems = async (thread: Thread, turnId: string): Promise<ReadonlyArray<ThreadItem>> => {
  const { turns } = await thread.read({ includeTurns: true })
  return turns.find(({ id }) => id === turnId)?.items ?? []
}

/** Whether an event belongs to the turn. An event that names no turn concerns the thread and counts too. */
const isOf = (event: ThreadEvent, turnId: string): boolean => {
  if (event._tag === "Unknown") return false
  const { turn, turnId: named } = paramsOf(event)
  if (typeof turn === "object" && turn !== null) return "id" in turn && turn.id === turnId
  return named === turnId || (named === undefined && event._tag !== "Undecodable")
}

/**
 * How long to wait for the final event after the turn's result, in milliseconds. Both arrive together unless it is
 * lost.
 */
const endGrace = 500

const isConnectionError = (error: unknown) => error instanceof AppServerExited || error instanceof TransportError

const servers = new Servers()

export async function* run(given: Run): AsyncGenerator<Sdk.ThreadEvent> {
  const { codexOptions, input, turnOptions } = given
  const { cyberAccessProgram, signal } = turnOptions
  const outputSchema = check(given)
  const { release, server } = servers.acquire(codexOptions)
  const events = new Events()
  let told: AsyncIterator<ThreadEvent> | undefined
  let turn: Turn | undefined
  let problem: unknown
  try {
    if (given.threadId !== null) await servers.free(given.threadId, server)
    const { thread, turnOptions: current } = await open(server, given)
    server.threads.add(thread.id)
    yield { type: "thread.started", thread_id: thread.id }
    // Emit each warning twice: docs/codex-behaviour.md, "codex exec tells a warning of the configuration twice". The
    // thread's own copy may arrive before or after this listens, so it is dropped below.
    const warnings = [...server.warnings]
    for (const warning of [...warnings, ...warnings]) yield events.warning(warning)
    // Listen before the turn begins: some events of a turn do not name it.
    const reader = told = thread.events[Symbol.asyncIterator]()
    const first = reader.next()
    const { id, result } = turn = await thread.turn(inputOf(input), {
      ...current,
      cyberAccessProgram: cyberAccessProgram && programs[cyberAccessProgram],
      outputSchema,
      signal,
      whenBusy: "queue"
    })
    // Set by the turn's result, which ends the reading if the final event is lost.
    let settled: Members | undefined
    let isOver = false
    let stop = () => {}
    // The grace lets the events from before the result be read first.
    const stopSoon = () => void setTimeout(() => stop(), endGrace).unref()
    result().then(
      (result) => {
        settled = { ...result }
      },
      (error) => {
        problem = error
        if (error instanceof TurnFailed) {
          settled = { ...error.result, status: "failed", error: { message: error.detail } }
        } else void reader.return?.()
      }
    ).then(() => {
      isOver = true
      stopSoon()
    })
    const next = (told: Promise<IteratorResult<ThreadEvent>>) =>
      new Promise<ThreadEvent | undefined>((resolve, reject) => {
        stop = () => resolve(undefined)
        if (isOver) stopSoon()
        told.then((result) => resolve(result.done === true ? undefined : result.value), reject)
      })
    for (let event = await next(first); event !== undefined; event = await next(reader.next())) {
      if (!isOf(event, id) || (event._tag === "warning" && warnings.includes(event.params.message))) continue
      if (!isEnd(event)) {
        yield* events.of(event)
        continue
      }
      const ended = events.end(
        membersOf(paramsOf(event)["turn"]),
        events.hasUnfinished ? await storedItems(thread, id) : []
      )
      yield* ended
      if (!ended.some(({ type }) => type === "turn.completed")) throw exited(preamble)
      return
    }
    if (settled === undefined) throw problem ?? exited(preamble)
    yield* events.end(settled, events.hasUnfinished ? await storedItems(thread, turn.id) : [])
    if (settled["status"] !== "completed") throw exited(preamble)
  } catch (error) {
    problem = error
    throw signal?.aborted === true ? abortError(signal) : failure(error)
  } finally {
    await told?.return?.()
    await turn?.close()
    release(isConnectionError(problem))
  }
}
