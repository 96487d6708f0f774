import * as Client from "@effect-codex/client/Checkpoints"
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as OptionKinds from "@effect-codex/client/internal/options"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Checkpoint, Checkpoints, Rewound } from "../Checkpoints.ts"
import type { CallOptions } from "../Options.ts"
import { CallerContext, type Within } from "./callerContext.ts"
import type { Host } from "./host.ts"
import * as results from "./results.ts"
import { clientThread } from "./thread.ts"
import { withoutSignal } from "./withoutSignal.ts"

const checkpoint = (found: Client.Checkpoint): Checkpoint => ({
  ...found,
  threadId: Option.getOrUndefined(found.threadId),
  createdAt: results.date(Option.some(found.createdAt))!
})

const rewound = (done: Client.Rewound): Rewound => ({ ...done, id: Option.getOrUndefined(done.id) })

// A function that ignores its signal must not keep a client from closing.
const settleWithin = "10 seconds"

/** Calls the function. When it is interrupted, its signal aborts, and it may settle. */
const called = <A>(within: Within, run: (options: { readonly signal: AbortSignal }) => Promise<A>) =>
  Effect.callback<A, unknown>((resume) => {
    const controller = new AbortController()
    const running = within(async () => run({ signal: controller.signal }))
    const settled = running.then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => resume(Effect.fail(error))
    )
    return Effect.suspend(() => {
      within(() => controller.abort())
      return Effect.asVoid(Effect.timeoutOption(Effect.promise(() => settled), settleWithin))
    })
  })

const make = (host: Host, checkpoints: Client.Checkpoints["Service"]): Checkpoints => ({
  track: (thread, run, options) =>
    host.run(
      Effect.gen(function*() {
        yield* OptionKinds.checkArgument("run", run, OptionKinds.callback)
        const tracked = clientThread(thread)
        if (tracked === undefined) {
          return yield* new InvalidArgument({ argument: "thread", detail: "expected a thread of a Codex." })
        }
        return yield* called(yield* CallerContext, run).pipe(checkpoints.track(tracked))
      }),
      options?.signal
    ),
  list: (options) =>
    host.run(
      Effect.map(
        Effect.flatMap(withoutSignal(options), checkpoints.list),
        (all) => all.map(checkpoint)
      ),
      options?.signal
    ),
  changes: (id, options) => host.run(checkpoints.changes(id), options?.signal),
  diff: (id, options) => host.run(checkpoints.diff(id), options?.signal),
  rewind: (id, options) =>
    host.run(
      Effect.flatMap(withoutSignal(options), (given) => Effect.map(checkpoints.rewind(id, given), rewound)),
      options?.signal
    ),
  forget: (which, options) => host.run(checkpoints.forget(which), options?.signal)
})

export const open = (host: Host, options: Client.Options & CallOptions): Promise<Checkpoints> =>
  host.run(
    Effect.gen(function*() {
      yield* OptionKinds.checkArgument("options", options, OptionKinds.record)
      const { signal: _, ...given } = options
      return make(host, yield* Client.make(given))
    }).pipe(Effect.provide(NodeServices.layer)),
    options?.signal
  )
