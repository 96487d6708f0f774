/**
 * Models that codex knows, and so takes other settings for than for any other name. Where that does not matter, a test
 * says `another-model`. Only this file names them, for a codex that drops one.
 */
export const known = "gpt-5.5"
export const otherKnown = "gpt-5.6-sol"
