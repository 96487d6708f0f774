import { spawnSync } from "node:child_process"
import { answerOf, promptOf, staged } from "./stage.ts"
const dir = "/work/main/packages/bench/src"
const v: Record<string, [string, string, Record<string, string>]> = {
  sdk: [dir + "/children/oneTurn.mjs", "@openai/codex-sdk", {}],
  ours: [dir + "/children/oneTurn.mjs", "@effect-codex/promise/codex-sdk", {}],
  cached: [dir + "/children/oneTurn.mjs", "@effect-codex/promise/codex-sdk", {
    NODE_COMPILE_CACHE: "/root/prof/cache"
  }],
  bare: [dir + "/zz_bare.mjs", "", {}],
  piped: [dir + "/zz_bare.mjs", "", { PIPELINE: "1" }],
  killed: [dir + "/zz_bare.mjs", "", { KILL: "1" }]
}
const names = (process.argv[3] ?? Object.keys(v).join()).split(",")
const r: Record<string, number[]> = {}
const fresh = process.argv[4] === "new"
const one = async (n: string, s: any) => {
  const t = performance.now()
  const o = spawnSync(process.execPath, [v[n]![0], v[n]![1], promptOf(20), answerOf(20), s.executable], {
    env: { ...s.childEnv, ...v[n]![2] },
    cwd: s.workspace,
    encoding: "utf8"
  })
  if (o.status !== 0) console.log(n, o.stderr)
  return performance.now() - t
}
const N = Number(process.argv[2] ?? 9)
if (!fresh) {
  await staged(async (s) => {
    for (const n of names) await one(n, s)
    for (let i = 0; i < N; i++) for (const n of i % 2 ? names : names.toReversed()) (r[n] ??= []).push(await one(n, s))
  })
} else {for (let i = 0; i < N; i++) {
    for (const n of i % 2 ? names : names.toReversed()) (r[n] ??= []).push((await staged((s) => one(n, s)))[0])
  }}
for (const n of names) {
  const s = r[n]!.toSorted((a, b) => a - b)
  console.log(n.padEnd(8), "min", s[0]!.toFixed(0), "median", s[s.length >> 1]!.toFixed(0))
}
