/** The version of the codex that the tests run on: `npm run compat` runs them on others than the installed one. */
export const codexVersion = process.env["TEST_CODEX_VERSION"] ?? "0.169.0"
