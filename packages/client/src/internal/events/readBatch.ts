/**
 * What one read of the connection leaves to be done once all of its frames are handed over: the readers to wake, each
 * once, and what must run last.
 *
 * Completing a deferred runs those who wait for it, and forking a fiber runs it, on the spot. They are to see all that
 * has arrived, so the reader defers both to the end of the read.
 */

export interface Touchable {
  /** Something came for it since its last read end. */
  isTouched: boolean
  readonly onReadEnd: () => void
}

export class ReadBatch<A extends Touchable> {
  private readonly touched: Array<A> = []
  private readonly deferred: Array<() => void> = []

  /** Something came for this one. */
  touch(one: A): void {
    if (one.isTouched) return
    one.isTouched = true
    this.touched.push(one)
  }

  /** How many are touched. */
  get size(): number {
    return this.touched.length
  }

  /** Runs it after the read. */
  defer(run: () => void): void {
    this.deferred.push(run)
  }

  get hasDeferred(): boolean {
    return this.deferred.length > 0
  }

  /** Runs what is deferred. What that defers waits for the next time. */
  runDeferred(): void {
    if (this.deferred.length === 0) return
    for (const run of this.deferred.splice(0)) run()
  }

  /** Tells each that was touched that the read has ended. */
  endTouched(): void {
    if (this.touched.length === 0) return
    for (const one of this.touched.splice(0)) {
      one.isTouched = false
      one.onReadEnd()
    }
  }
}
