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
  bench: "packages/bench",
  scratchpad: "scratchpad"
}

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    // On two cores vitest would take one worker, and most tests wait for codex.
    maxWorkers: 2,
    // Far above what a test takes, so that a slow machine fails none of them.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    globalSetup: "./vitest.compiled.ts",
    projects: Object.entries(projects).map(([name, root]) => ({ extends: true as const, test: { name, root } }))
  }
})
