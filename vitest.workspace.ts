import { defineConfig } from "vitest/config"

const project = (name: string) => ({
  extends: true as const,
  test: { name, root: `packages/${name}` }
})

export default defineConfig({
  // The packages resolve to their sources here; only a published package resolves to dist.
  resolve: { conditions: ["@effect-codex/source", "node", "import", "default"] },
  ssr: { resolve: { conditions: ["@effect-codex/source", "node", "import", "default"] } },
  test: {
    include: ["test/**/*.test.ts"],
    projects: ["protocol", "client", "node", "testing", "cli"].map(project)
  }
})
