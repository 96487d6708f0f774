/** Views of a thread as they change, with its subagents and with what the server asks. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { ConnectionError } from "../../CodexError.ts"
import type { Raw } from "../../ServerNotification.ts"
import type { Event, ServerRequest, ServerRequestAnswer, ThreadView } from "../../ThreadView.ts"
import { Mailbox, slowReader } from "../events/mailbox.ts"
import { membersOf, textAt } from "../protocol/peek.ts"
import { internalsOf, type Rpc, type ThreadObserver } from "../rpcInternals.ts"
import { scan } from "./scan.ts"

type Asked = ServerRequest | ServerRequestAnswer

/** Carries a request through the mailbox of notifications. No method of the protocol has this name. */
const tag = "\u0000asked"

const carried = (asked: Asked): Raw => ({ _tag: tag, params: asked })

/** The subagents that an item names. */
const startedBy = ({ _tag, params }: Raw): ReadonlyArray<string> => {
  if (_tag !== "item/started" && _tag !== "item/completed") return []
  const { agentThreadId, receiverThreadIds } = membersOf(membersOf(params)["item"])
  return [agentThreadId, ...Array.isArray(receiverThreadIds) ? receiverThreadIds : []].filter(Predicate.isString)
}

/** What a frame answers, without the id of the request. */
const answerOf = (frame: string): unknown => {
  try {
    const { error, result } = membersOf(JSON.parse(frame))
    return error === undefined ? { result } : { error }
  } catch {
    return undefined
  }
}

/** What the server said of the thread when it was started or resumed, which is no event. */
const withSettings = (view: ThreadView, told: unknown): ThreadView => ({
  ...view,
  model: view.model ?? textAt(told, "model"),
  cwd: view.cwd ?? textAt(told, "cwd")
})

export const changes = (rpc: Rpc, given: ThreadView): Stream.Stream<ThreadView, ConnectionError> => {
  const from = withSettings(given, internalsOf(rpc).settingsOf(given.threadId))
  const events = Stream.unwrap(Effect.gen(function*() {
    const internals = internalsOf(rpc)
    const mailbox = new Mailbox<ConnectionError>({ highWater: slowReader(internals, "ThreadView.changes") })
    const detach = new Map<string, () => void>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const stop of detach.values()) stop()
      })
    )
    const tell = (asked: Asked): void => {
      mailbox.push(carried(asked), 0)
      mailbox.flush()
    }
    const observer: ThreadObserver = {
      onNotification: (raw, bytes) => {
        mailbox.push(raw, bytes)
        // Something may be told of a subagent before its first turn begins.
        for (const id of startedBy(raw)) follow(id)
      },
      onReadEnd: () => mailbox.flush(),
      onEnd: (cause) => {
        mailbox.close(Exit.fail(cause))
        mailbox.flush()
      },
      onServerRequest: (id, method, params) => tell({ _tag: "ServerRequest", id, method, params }),
      onServerRequestAnswer: (id, frame) => tell({ _tag: "ServerRequestAnswer", id, answer: answerOf(frame) }),
      onSubagentTurn: (_, subagentThreadId, started) => {
        mailbox.push(started, 0)
        follow(subagentThreadId)
      }
    }
    const follow = (threadId: string): void => {
      // An agent may also name the thread itself.
      if (threadId !== from.threadId && !detach.has(threadId)) {
        detach.set(threadId, internals.attach(threadId, observer))
      }
    }
    yield* internals.observe(from.threadId, observer)
    for (const { threadId } of from.subagents) follow(threadId)
    return mailbox.streamOf((raw): Event =>
      // The cast is sound: only `carried` makes this tag.
      raw._tag === tag ? raw.params as Asked : internals.decode(raw)
    )
  }))
  return scan(events, from)
}
