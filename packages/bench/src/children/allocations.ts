/** What a child process allocates on V8's heap while it is measured. Hardly depends on the machine, unlike time. */
import { GCProfiler, getHeapSpaceStatistics } from "node:v8"
import { begin as beginSample, type Sample } from "./sample.ts"

/** The new spaces, from which only a collection takes anything away. */
const isYoung = (name: string): boolean => name.startsWith("new_")

const sum = (sizes: ReadonlyArray<number>): number => sizes.reduce((a, b) => a + b, 0)

const youngBytes = (): number =>
  sum(getHeapSpaceStatistics().map(({ space_name, space_used_size }) => isYoung(space_name) ? space_used_size : 0))

interface Heap {
  readonly heapSpaceStatistics: ReadonlyArray<{ readonly spaceName: string; readonly spaceUsedSize: number }>
}

const youngBytesOf = ({ heapSpaceStatistics }: Heap): number =>
  sum(heapSpaceStatistics.map(({ spaceName, spaceUsedSize }) => isYoung(spaceName) ? spaceUsedSize : 0))

/** Begins a measurement that also gives the bytes of new objects and the number of collections. */
export const begin = (): () => Sample => {
  const profiler = new GCProfiler()
  let last = youngBytes()
  profiler.start()
  const end = beginSample()
  return () => {
    const sample = end()
    const now = youngBytes()
    let allocatedBytes = 0
    const { statistics } = profiler.stop()
    for (const { afterGC, beforeGC } of statistics) {
      allocatedBytes += youngBytesOf(beforeGC) - last
      last = youngBytesOf(afterGC)
    }
    return { ...sample, allocatedBytes: allocatedBytes + now - last, collections: statistics.length }
  }
}

/** Begins a measurement in place of another. */
export const again = (end: () => Sample): () => Sample => {
  end()
  return begin()
}
