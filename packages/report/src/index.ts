/**
 * A session of codex as one HTML file.
 *
 * @since 0.1.0
 */
export * as Report from "./Report.ts"
