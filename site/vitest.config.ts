import { defineConfig } from "vitest/config"

export default defineConfig({ test: { name: "site", root: import.meta.dirname, include: ["test/**/*.test.ts"] } })
