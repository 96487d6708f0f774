/** What the signatures of threads have to say. Checked by `npm run check`; nothing here runs. */
import { type Codex, type CodexError, type Received, Sandbox, type Thread } from "@effect-codex/client"
import type { Effect, Stream } from "effect"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const holds = <_ extends true>(): void => {}

declare const codex: Codex.Codex["Service"]
declare const thread: Thread.Thread

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

// An editor completes the known efforts, and any other is taken.
holds<Equal<Extract<Thread.Effort, "high" | "xhigh">, "high" | "xhigh">>()
void thread.run("x", { effort: "brandNew" })
