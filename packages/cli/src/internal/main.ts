import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"

const signals = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const

/** Unlike NodeRuntime's, handles all these signals like Ctrl-C, and exits with the code that shells use for them. */
export const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  let received: { readonly code: number; readonly at: number } | undefined
  for (const [signal, number] of Object.entries(signals)) {
    process.on(signal, () => {
      // oxlint-disable-next-line no-restricted-properties -- outside of Effect, and monotonic too
      const now = performance.now()
      received ??= { code: 128 + number, at: now }
      // npm forwards a Ctrl-C that the terminal has also sent to this process, so treat both as one.
      if (now - received.at > 500) process.exit(received.code)
      fiber.interruptUnsafe(fiber.id)
    })
  }
  fiber.addObserver((exit) => {
    // Failures during an interrupt are consequences of it.
    if (Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)) process.exit(received?.code ?? 130)
    teardown(exit, (code) => {
      if (received !== undefined || code !== 0) process.exit(code)
    })
  })
})
