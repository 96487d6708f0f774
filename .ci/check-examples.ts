/** Type-checks every TypeScript example in the documentation: in the JSDoc of the packages, in READMEs and in docs. */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "..")
// Below node_modules, so that an example resolves packages as the workspace does.
const folder = Path.join(root, "node_modules", ".cache", "examples")

const sources = Fs.globSync(["packages/*/src/**/*.ts", "packages/*/*.md", "docs/**/*.md", "*.md"], {
  cwd: root,
  exclude: ["**/node_modules/**", "**/dist/**"]
}).sort()

const examplesOf = (file: string): Array<{ readonly line: number; readonly code: string }> => {
  const text = Fs.readFileSync(Path.join(root, file), "utf8")
  const fence = file.endsWith(".md") ? /^```ts\n(.*?)^```$/gms : /^ *\* ```ts\n(.*?)^ *\* ```$/gms
  return [...text.matchAll(fence)].map((match) => ({
    line: text.slice(0, match.index).split("\n").length + 1,
    code: file.endsWith(".md") ? match[1]! : match[1]!.replaceAll(/^ *\* ?/gm, "")
  }))
}

Fs.rmSync(folder, { recursive: true, force: true })
Fs.mkdirSync(folder, { recursive: true })
const places = new Map<string, string>()
for (const file of sources) {
  for (const { code, line } of examplesOf(file)) {
    const name = `${file.replaceAll(/[^\w]+/g, "_")}_${line}.ts`
    places.set(name, `${file}:${line}`)
    // An example is a module of its own even if it exports nothing.
    Fs.writeFileSync(Path.join(folder, name), `${code}\nexport {}\n`)
  }
}
Fs.writeFileSync(
  Path.join(folder, "tsconfig.json"),
  JSON.stringify({
    extends: Path.join(root, "tsconfig.base.json"),
    include: ["*.ts"],
    compilerOptions: {
      noEmit: true,
      // The built packages, as a user has them.
      customConditions: [],
      composite: false,
      incremental: false,
      declaration: false,
      declarationMap: false,
      noUnusedLocals: false,
      rewriteRelativeImportExtensions: false,
      allowImportingTsExtensions: true,
      types: ["node"]
    }
  })
)

try {
  execFileSync(Path.join(root, "node_modules", ".bin", "tsc"), ["-p", folder], {
    encoding: "utf8",
    shell: process.platform === "win32"
  })
  console.log(`${places.size} examples are well typed`)
} catch (error) {
  const output = error instanceof Error && "stdout" in error ? String(error.stdout) : String(error)
  let named = output
  for (const [name, place] of places) named = named.replaceAll(new RegExp(`\\S*${name}`, "g"), `${place} + `)
  console.log(named.slice(0, 10_000))
  process.exitCode = 1
}
