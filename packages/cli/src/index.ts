/**
 * The command line of `effect-codex`.
 *
 * @since 0.1.0
 */
export * as Cli from "./Cli.ts"
