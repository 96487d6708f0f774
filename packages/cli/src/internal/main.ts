import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"

const signals = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const

/** Unlike that of NodeRuntime, it ends for each of these signals as for Ctrl-C, with the exit code that a shell gives to it. */
export const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  let received: { readonly code: number; readonly at: number } | undefined
  for (const [signal, number] of Object.entries(signals)) {
    process.on(signal, () => {
      // oxlint-disable-next-line no-restricted-properties -- outside of Effect, and monotonic too
      const now = performance.now()
      received ??= { code: 128 + number, at: now }
      // npm passes on a Ctrl-C that the terminal has sent to this process too: the two are one.
      if (now - received.at > 500) process.exit(received.code)
      fiber.interruptUnsafe(fiber.id)
    })
  }
  fiber.addObserver((exit) => {
    // What fails while a turn is being interrupted is a consequence of it.
    if (Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)) process.exit(received?.code ?? 130)
    teardown(exit, (code) => {
      if (received !== undefined || code !== 0) process.exit(code)
    })
  })
})
