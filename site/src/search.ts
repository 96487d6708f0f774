/** Asks the built site's own search index what a reader would type. */
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"

/** Words, and the page or the symbol that must be among the first five results. */
const expected: ReadonlyArray<readonly [words: string, place: string]> = [
  ["approvals", "approvals.html#approvals"],
  ["install", "getting-started.html#1-install"],
  ["startThread", "api/client/Codex.html#Codex.startThread"],
  ["TurnStalled", "api/client/CodexError.html#TurnStalled"],
  ["ScriptedModel exec", "api/testing/ScriptedModel.html#exec"],
  ["layerApiKey", "api/client/Auth.html#layerApiKey"],
  ["CommandExecutionApprovalDecision", "api/protocol/Sent.html#CommandExecutionApprovalDecision"]
]

export const searchProblems = async (folder: string): Promise<ReadonlyArray<string>> => {
  const [file] = Fs.globSync("**/*localSearchIndexroot*.js", { cwd: folder })
  if (file === undefined) return ["there is no search index"]
  const { default: json }: { readonly default: string } = await import(pathToFileURL(Path.join(folder, file)).href)
  // VitePress's, whose format the index has.
  const require = createRequire(createRequire(import.meta.url).resolve("vitepress"))
  const { default: MiniSearch } = await import(pathToFileURL(require.resolve("minisearch")).href)
  const index = MiniSearch.loadJSON(json, { fields: ["title", "titles", "text"], storeFields: ["title", "titles"] })
  return expected.flatMap(([words, place]) => {
    const results: ReadonlyArray<{ readonly id: string }> = index.search(words, {
      fuzzy: 0.1,
      prefix: true,
      boost: { title: 4, text: 1, titles: 2 }
    })
    const first = results.slice(0, 5).map(({ id }) => id)
    return first.some((id) => id.endsWith(`/${place}`))
      ? []
      : [`a search for "${words}" finds ${first.join(", ") || "nothing"}`]
  })
}
