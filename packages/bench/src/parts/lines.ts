/** Long lines: from the pipe to the parsed message, against JSON.parse of the same text. */
import type { Comparison, Part } from "../measure.ts"
import { atMost, child, compare, costs, ratios, spread } from "../measure.ts"
import type { Workload } from "../workload.ts"

export const lines: Part = {
  name: "lines",
  comparisons: ({ quick, rounds }) =>
    (quick ? [8] : [1, 8, 32]).map((mib): Comparison => {
      const workload = JSON.stringify(
        { kind: "outputs", messages: 1, turns: 1, itemBytes: mib * 1024 * 1024 } satisfies Workload
      )
      return compare({
        what: `a line of ${mib} MiB`,
        rounds,
        commands: {
          parse: { script: child("line"), args: [workload, "parse"] },
          bare: { script: child("bare"), args: [workload] },
          ours: { script: child("line"), args: [workload] }
        },
        figures: ({ bare, ours, parse }) => [
          {
            part: "lines",
            name: `a line of ${mib} MiB through the bare loop, against JSON.parse`,
            value: spread(bare.map(({ ms }) => ms)),
            unit: "ms",
            ratio: ratios(bare, parse),
            ...costs(bare)
          },
          {
            part: "lines",
            name: `a line of ${mib} MiB, from the pipe to the message, against JSON.parse`,
            value: spread(ours.map(({ ms }) => ms)),
            unit: "ms",
            ratio: ratios(ours, parse),
            budget: mib === 32 ? atMost(3) : undefined,
            ...costs(ours)
          }
        ]
      })
    })
}
