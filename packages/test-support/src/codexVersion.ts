import { createRequire } from "node:module"

const installed: { readonly version: string } = createRequire(import.meta.url)("@openai/codex/package.json")

/** The version of codex under test. `npm run compat` runs the tests on versions other than the installed one. */
export const codexVersion = process.env["TEST_CODEX_VERSION"] ?? installed.version

/** Whether the codex under test is this version or a newer one. For what codex did not do before. */
export const isAtLeast = (version: string): boolean => codexVersion.localeCompare(version, "en", { numeric: true }) >= 0
