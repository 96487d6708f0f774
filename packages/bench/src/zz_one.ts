import { spawnSync } from "node:child_process"
import { answerOf, promptOf, staged } from "./stage.ts"
const which = process.argv[2]!, trace = process.argv[3] === "trace"
await staged(async ({ childEnv, executable, workspace }) => {
  const n = Number(process.argv[4] ?? 1)
  for (let i = 0; i < n; i++) {
    const t = performance.now()
    const r = spawnSync(process.execPath, [
      ...(process.env.PROF ? ["--cpu-prof", "--cpu-prof-dir=/root/prof", "--cpu-prof-interval", "100"] : []),
      ...(trace ? ["--require", "/root/prof/trace.cjs"] : []),
      "/work/main/packages/bench/src/children/oneTurn.mjs",
      which,
      promptOf(20),
      answerOf(20),
      executable
    ], { env: childEnv, cwd: workspace, encoding: "utf8" })
    console.log((performance.now() - t).toFixed(0), "total;", r.stdout)
    if (i === n - 1 || trace) console.log(r.stderr)
  }
})
