/**
 * A session of codex as one HTML file.
 *
 * @since 0.1.0
 */
export * as Report from "./Report.ts"
/**
 * A live page of the threads of a client: what each does, waits for and costs. Approvals can be decided on it.
 *
 * @since 0.1.0
 */
export * as Watch from "./Watch.ts"
