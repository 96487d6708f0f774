/**
 * A script of one turn on a package with the surface of `@openai/codex-sdk`. Not TypeScript, because Node would first load
 * a compiler.
 */
const [specifier, prompt, expected, codexPathOverride] = process.argv.slice(2)
const { Codex } = await import(specifier)
const thread = new Codex({ codexPathOverride }).startThread({ skipGitRepoCheck: true })
const { finalResponse } = await thread.run(prompt)
if (finalResponse !== expected) throw new Error(`the answer is ${finalResponse}`)

const { system, user } = process.cpuUsage()
const sample = {
  ms: performance.now(),
  cpuMs: (user + system) / 1000,
  peakMiB: process.resourceUsage().maxRSS / 1024
}
process.stdout.write(JSON.stringify(sample))
