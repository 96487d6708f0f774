/** What the signatures of threads have to say. Checked by `npm run check`; nothing here runs. */
import {
  type AppServerRpc,
  type Auth,
  type Codex,
  type CodexError,
  type Received,
  Sandbox,
  type Thread,
  type Turn
} from "@effect-codex/client"
import type { Methods } from "@effect-codex/protocol"
import type { Effect, Stream } from "effect"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const holds = <_ extends true>(): void => {}

declare const codex: Codex.Codex["Service"]
declare const thread: Thread.Thread
declare const rpc: AppServerRpc.AppServerRpc["Service"]

// @ts-expect-error a raw string is no sandbox
void codex.forkThread("id", { sandbox: "read-only" })
// @ts-expect-error a fork has no personality
void codex.forkThread("id", { personality: "none" })
// @ts-expect-error a thread is ephemeral from its start
void codex.resumeThread("id", { ephemeral: true })
// @ts-expect-error a sort key that threads do not have
void codex.listThreads({ sortKey: "name" })
// @ts-expect-error the stream has no cursor
void codex.listThreads({ cursor: "c" })
// @ts-expect-error a thread has no output schema
void thread.updateSettings({ outputSchema: {} })
void codex.startThread({ model: undefined, sandbox: Sandbox.readOnly })

type Listed = Thread.ThreadInfo | Received.Undecodable<Thread.ThreadInfo>
holds<Equal<ReturnType<typeof codex.listThreads>, Stream.Stream<Listed, CodexError.CallError>>>()
holds<
  Equal<
    ReturnType<typeof codex.listThreadsPage>,
    Effect.Effect<Codex.Page<Listed>, CodexError.CallError>
  >
>()
holds<
  Equal<ReturnType<Thread.Thread["setName"]>, Effect.Effect<void, CodexError.ThreadCallError | CodexError.ThreadInUse>>
>()
holds<Equal<Thread.Thread["status"], Effect.Effect<Thread.ThreadStatus, CodexError.ThreadCallError>>>()
// Reading notifications makes no request, so nothing but the end of the connection ends it.
holds<Equal<Thread.Thread["events"], Stream.Stream<Thread.ThreadEvent, CodexError.ConnectionError>>>()

// A thread's events are of the thread or of one of its turns, and never of the whole connection.
type Tag = Thread.ThreadEvent["_tag"]
holds<"thread/name/updated" extends Tag ? true : false>()
holds<"thread/started" extends Tag ? true : false>()
holds<"turn/completed" extends Tag ? true : false>()
holds<"warning" extends Tag ? true : false>()
holds<"skills/changed" extends Tag ? false : true>()
holds<"account/updated" extends Tag ? false : true>()

export const nameOf = (event: Thread.ThreadEvent) => {
  switch (event._tag) {
    case "thread/name/updated":
      return event.params.threadName
    case "Unknown":
    case "Undecodable":
      return event.method
    default:
      return undefined
  }
}

// Each method fails with what it can fail with.
type ErrorsOf<T> = T extends (...args: never) => infer R ? ErrorsOf<R>
  : T extends Effect.Effect<unknown, infer E, infer _> ? E
  : T extends Stream.Stream<unknown, infer E, infer _> ? E
  : never
type Service = Codex.Codex["Service"]
type Account = Auth.Auth["Service"]
holds<Equal<ErrorsOf<Service["models"]>, CodexError.CallError>>()
holds<Equal<ErrorsOf<Service["readThread"]>, CodexError.ThreadCallError>>()
holds<Equal<ErrorsOf<Service["archiveThread"]>, CodexError.ThreadCallError | CodexError.ThreadInUse>>()
holds<Equal<ErrorsOf<Service["unarchiveThread"]>, CodexError.ThreadCallError | CodexError.ThreadInUse>>()
holds<Equal<ErrorsOf<Service["deleteThread"]>, CodexError.ThreadCallError | CodexError.ThreadInUse>>()
holds<Equal<ErrorsOf<Thread.Thread["read"]>, CodexError.ThreadCallError>>()
holds<Equal<ErrorsOf<Thread.Thread["turns"]>, CodexError.ThreadCallError>>()
holds<Equal<ErrorsOf<Thread.Thread["items"]>, CodexError.ThreadCallError>>()
holds<Equal<ErrorsOf<Thread.Thread["archive"]>, CodexError.ThreadCallError | CodexError.ThreadInUse>>()
holds<Equal<ErrorsOf<Thread.Thread["unsubscribe"]>, CodexError.CallError>>()
holds<Equal<ErrorsOf<Service["startThread"]>, CodexError.CallError | CodexError.SettingsNotApplied>>()
holds<Equal<ErrorsOf<Service["resumeThread"]>, CodexError.ResumeError>>()
holds<Equal<ErrorsOf<Service["forkThread"]>, CodexError.ThreadCallError | CodexError.SettingsNotApplied>>()
holds<Equal<ErrorsOf<Thread.Thread["fork"]>, CodexError.ThreadCallError | CodexError.SettingsNotApplied>>()
holds<Equal<ErrorsOf<Thread.Thread["turn"]>, CodexError.TurnStartError>>()
holds<Equal<ErrorsOf<Thread.Thread["review"]>, CodexError.ResumeError | CodexError.ThreadBusy>>()
holds<Equal<ErrorsOf<Thread.Thread["compact"]>, CodexError.ResumeError | CodexError.ThreadBusy>>()
holds<Equal<ErrorsOf<Thread.Thread["revert"]>, CodexError.ThreadCallError | CodexError.ThreadInUse>>()
holds<Equal<ErrorsOf<Thread.Thread["inject"]>, CodexError.ThreadCallError | CodexError.ThreadInUse>>()
holds<Equal<ErrorsOf<Thread.Thread["updateSettings"]>, CodexError.ThreadCallError | CodexError.ThreadInUse>>()
holds<Equal<ErrorsOf<Thread.Thread["startGoal"]>, CodexError.ResumeError | CodexError.ThreadBusy>>()
holds<Equal<ErrorsOf<Thread.Thread["resumeGoal"]>, CodexError.ResumeError | CodexError.ThreadBusy>>()
holds<
  Equal<
    ErrorsOf<Thread.Thread["runGoal"]>,
    CodexError.ResumeError | CodexError.ThreadBusy | CodexError.TurnEndError | CodexError.TurnInterrupted
  >
>()
holds<Equal<ErrorsOf<Thread.Thread["goal"]>, CodexError.CallError | CodexError.ThreadNotFound>>()
holds<Equal<ErrorsOf<Thread.Thread["pauseGoal"]>, CodexError.CallError | CodexError.ThreadNotFound>>()
holds<Equal<ErrorsOf<Thread.Thread["clearGoal"]>, CodexError.CallError | CodexError.ThreadNotFound>>()
holds<Equal<ErrorsOf<Turn.Turn["steer"]>, CodexError.TurnCallError | CodexError.InputTooLarge>>()
holds<Equal<ErrorsOf<Turn.Turn["interrupt"]>, CodexError.TurnCallError | CodexError.ThreadBusy>>()
holds<Equal<ErrorsOf<Turn.Turn["interruptWithTerminals"]>, CodexError.TurnCallError | CodexError.ThreadBusy>>()
holds<Equal<ErrorsOf<Account["account"]>, CodexError.CallError>>()
holds<Equal<ErrorsOf<Account["logout"]>, CodexError.CallError>>()
holds<Equal<ErrorsOf<Account["rateLimits"]>, CodexError.CallError | CodexError.LoginRequired>>()
holds<Equal<ErrorsOf<Account["usage"]>, CodexError.CallError | CodexError.LoginRequired>>()
holds<Equal<ErrorsOf<Auth.ChatgptLogin["cancel"]>, CodexError.CallError>>()

// What the unions leave out.
type Has<Tag extends CodexError.CodexError["_tag"], E extends CodexError.CodexError> = Tag extends E["_tag"] ? true
  : false
holds<Equal<Has<"InputTooLarge" | "ThreadNotFound" | "ThreadInUse" | "LoginRequired", CodexError.CallError>, false>>()
holds<Equal<Has<"ThreadInUse" | "TurnMismatch" | "NoActiveTurn", CodexError.ThreadCallError>, false>>()
holds<Equal<Has<"ThreadInUse" | "ThreadNotPersisted" | "InputTooLarge", CodexError.TurnCallError>, false>>()
holds<Equal<Has<"NoActiveTurn" | "TurnMismatch" | "LoginRequired" | "ThreadBusy", CodexError.ResumeError>, false>>()
holds<Equal<Has<"NoActiveTurn" | "TurnMismatch" | "LoginRequired", CodexError.TurnStartError>, false>>()

// A request has the errors of its method, and any error where what it can mean is not known.
type RequestErrors<M extends keyof Methods.ClientRequests> = Effect.Error<
  ReturnType<typeof rpc.request<M>>
>
holds<Equal<RequestErrors<"thread/start">, CodexError.CallError>>()
holds<Equal<RequestErrors<"thread/resume">, CodexError.ThreadCallError | CodexError.ThreadInUse>>()
holds<Equal<RequestErrors<"thread/fork">, CodexError.ThreadCallError>>()
holds<Equal<RequestErrors<"thread/name/set">, CodexError.ThreadCallError>>()
holds<Equal<RequestErrors<"thread/goal/set">, CodexError.CallError | CodexError.ThreadNotFound>>()
holds<
  Equal<RequestErrors<"turn/start">, CodexError.CallError | CodexError.ThreadNotFound | CodexError.InputTooLarge>
>()
holds<Equal<RequestErrors<"turn/steer">, CodexError.TurnCallError | CodexError.InputTooLarge>>()
holds<Equal<RequestErrors<"turn/interrupt">, CodexError.TurnCallError>>()
holds<Equal<RequestErrors<"command/exec">, CodexError.RequestError>>()

// An editor completes the known efforts, and any other is taken.
holds<Equal<Extract<Thread.Effort, "high" | "xhigh">, "high" | "xhigh">>()
void thread.run("x", { effort: "brandNew" })
