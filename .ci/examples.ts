/** Extracts the TypeScript examples of the documentation as modules, and type-checks them. */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

export const root = Path.resolve(import.meta.dirname, "..")

export interface Example {
  readonly name: string
  /** File and line. */
  readonly place: string
  /** In Markdown: the page, the heading above it, and its number under that heading. */
  readonly title: string
  readonly code: string
  /** Whether it is for an application of Effect 3. */
  readonly isEffect3: boolean
}

export const examplesOf = (patterns: ReadonlyArray<string>): Array<Example> =>
  Fs.globSync(patterns, { cwd: root, exclude: ["**/node_modules/**", "**/dist/**"] }).sort().flatMap((file) => {
    const text = Fs.readFileSync(Path.join(root, file), "utf8")
    const isMarkdown = file.endsWith(".md")
    const page = Path.basename(file, ".md")
    const titles = new Map<string, number>()
    const titleAt = (index: number): string => {
      const heading = [...text.slice(0, index).matchAll(/^##? (.*)$/gm)].at(-1)?.[1] ?? ""
      const count = (titles.get(heading) ?? 0) + 1
      titles.set(heading, count)
      return `${page}: ${heading} (${count})`
    }
    const fence = isMarkdown ? /^```ts\n(.*?)^```$/gms : /^ *\* ```ts\n(.*?)^ *\* ```$/gms
    return [...text.matchAll(fence)].map((match) => {
      const line = text.slice(0, match.index).split("\n").length + 1
      const code = isMarkdown ? match[1]! : match[1]!.replaceAll(/^ *\* ?/gm, "")
      return {
        name: `${file.replaceAll(/[^\w]+/g, "_")}_${line}.ts`,
        place: `${file}:${line}`,
        title: titleAt(match.index),
        code,
        isEffect3: code.includes(`"@effect/schema/`)
      }
    })
  })

export const write = (folder: string, examples: ReadonlyArray<Pick<Example, "name" | "code">>): void => {
  Fs.mkdirSync(folder, { recursive: true })
  // Makes an example a module even if it exports nothing.
  for (const { code, name } of examples) Fs.writeFileSync(Path.join(folder, name), `${code}\nexport {}\n`)
}

/** Type-checks all files of a folder against the built packages, as a user does. Returns whether they pass. */
export const check = (folder: string, examples: ReadonlyArray<Example>, compilerOptions: object = {}): boolean => {
  Fs.writeFileSync(
    Path.join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: Path.join(root, "tsconfig.base.json"),
      include: ["*.ts"],
      compilerOptions: {
        noEmit: true,
        customConditions: [],
        composite: false,
        incremental: false,
        declaration: false,
        declarationMap: false,
        noUnusedLocals: false,
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
        types: ["node"],
        ...compilerOptions
      }
    })
  )
  try {
    execFileSync(Path.join(root, "node_modules", ".bin", "tsc"), ["-p", folder], {
      encoding: "utf8",
      shell: process.platform === "win32"
    })
    return true
  } catch (error) {
    let named = error instanceof Error && "stdout" in error ? String(error.stdout) : String(error)
    for (const { name, place } of examples) named = named.replaceAll(new RegExp(`\\S*${name}`, "g"), `${place} + `)
    console.log(named.slice(0, 10_000))
    return false
  }
}
