import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// The packages resolve to their sources here; only a published package resolves to dist.
const conditions = ["@effect-codex/source", "node", "import", "default"]

const projects = {
  protocol: "packages/protocol",
  client: "packages/client",
  node: "packages/node",
  promise: "packages/promise",
  testing: "packages/testing",
  cli: "packages/cli",
  schema: "packages/schema",
  ai: "packages/ai",
  cluster: "packages/cluster",
  report: "packages/report",
  bench: "packages/bench",
  parity: "packages/parity",
  scratchpad: "scratchpad",
  ci: ".ci"
}

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    // vitest would leave a core to itself, and most tests wait for codex.
    maxWorkers: Math.max(2, availableParallelism()),
    // Saves a third of the time: a worker for each file would load effect and the client 180 times.
    isolate: false,
    setupFiles: [fileURLToPath(new URL("./vitest.timeouts.ts", import.meta.url))],
    globalSetup: "./vitest.compiled.ts",
    projects: Object.entries(projects).map(([name, root]) => ({ extends: true as const, test: { name, root } }))
  }
})
