/** The tests in a real Chromium, which not every machine has: `npm run test:browser`. */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const conditions = ["@effect-codex/source", "node", "import", "default"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["packages/*/test/**/*.browser.ts"],
    setupFiles: [fileURLToPath(new URL("./vitest.timeouts.ts", import.meta.url))]
  }
})
