import { createRequire } from "node:module"

const installed: { readonly version: string } = createRequire(import.meta.url)("@openai/codex/package.json")

/** The version of the codex that the tests run on: `npm run compat` runs them on others than the installed one. */
export const codexVersion = process.env["TEST_CODEX_VERSION"] ?? installed.version
