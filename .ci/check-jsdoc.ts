/** Reports exports of the published packages without JSDoc that has a sentence, an `@category` and an `@since`. */
import * as Fs from "node:fs"
import * as Path from "node:path"
// Not the TypeScript that compiles the repository, whose parser has no stable API.
import ts from "typescript"
import { root } from "./examples.ts"

const problems: Array<string> = []

const placeOf = (source: ts.SourceFile, node: ts.Node): string =>
  `${Path.relative(root, source.fileName)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`

const parsed = new Map<string, ts.SourceFile>()

const parse = (file: string): ts.SourceFile => {
  const known = parsed.get(file)
  if (known !== undefined) return known
  const source = ts.createSourceFile(file, Fs.readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true)
  parsed.set(file, source)
  return source
}

const isExported = (node: ts.Node): boolean =>
  ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true

const namesOf = (statement: ts.Statement): ReadonlyArray<string> => {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText())
  }
  const { name } = statement as ts.DeclarationStatement
  return name === undefined ? [] : [name.text]
}

/** Returns what the documentation before a node lacks. */
const missing = (node: ts.Node): ReadonlyArray<string> => {
  // The last comment counts: the header of a module may also precede its first declaration.
  const doc = ts.getJSDocCommentsAndTags(node).findLast(ts.isJSDoc)
  if (doc === undefined) return ["JSDoc"]
  const tags = new Set(doc.tags?.map(({ tagName }) => tagName.text))
  if (tags.has("internal")) return []
  const prose = ts.getTextOfJSDocComment(doc.comment)?.trim() ?? ""
  return [
    // At least two words and the end of a sentence.
    ...(/\w+\s+\S+[^]*[.:!?`)]/.test(prose) ? [] : ["a sentence"]),
    ...["category", "since"].filter((tag) => !tags.has(tag)).map((tag) => `@${tag}`)
  ]
}

const check = (source: ts.SourceFile, node: ts.Node, name: string): void => {
  const lacks = missing(node)
  if (lacks.length > 0) problems.push(`${placeOf(source, node)}: ${name} lacks ${lacks.join(", ")}`)
}

/** @param only the names to check, which may be exported elsewhere. Default: the statements' own exports. */
const checkStatements = (
  source: ts.SourceFile,
  statements: Iterable<ts.Statement>,
  only?: ReadonlySet<string>
): void => {
  const overloaded = new Set<string>()
  for (const statement of statements) {
    if (ts.isExportDeclaration(statement)) {
      checkReexport(source, statement, only)
      continue
    }
    if (only === undefined && !isExported(statement)) continue
    for (const name of namesOf(statement)) {
      if (only !== undefined && !only.has(name)) continue
      // The first overload documents all.
      if (ts.isFunctionDeclaration(statement) && overloaded.has(name)) continue
      if (ts.isFunctionDeclaration(statement)) overloaded.add(name)
      check(source, statement, name)
    }
    if (ts.isModuleDeclaration(statement) && statement.body !== undefined && ts.isModuleBlock(statement.body)) {
      checkStatements(source, statement.body.statements)
    }
  }
}

const checkReexport = (source: ts.SourceFile, node: ts.ExportDeclaration, only?: ReadonlySet<string>): void => {
  const { exportClause, moduleSpecifier } = node
  // A namespace export is documented by the module's header.
  if (exportClause !== undefined && ts.isNamespaceExport(exportClause)) return
  const from = moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier) ? moduleSpecifier.text : undefined
  // Names of the module itself are found among its declarations.
  if (from === undefined && only !== undefined) return
  // Exports of another package are documented there.
  if (from !== undefined && !from.startsWith(".")) return
  const file = from === undefined ? source.fileName : Path.resolve(Path.dirname(source.fileName), from)
  const target = parse(file)
  // A public module is checked on its own.
  if (from !== undefined && publicModules.has(file)) return
  const names = exportClause?.elements
    .filter(({ name }) => only === undefined || only.has(name.text))
    .filter((element) => missing(element).length > 0)
    .map(({ name, propertyName }) => (propertyName ?? name).text)
  checkStatements(target, target.statements, names === undefined ? undefined : new Set(names))
}

const isPublished = (folder: string): boolean =>
  JSON.parse(Fs.readFileSync(Path.join(folder, "package.json"), "utf8")).private !== true

// The binary supplies the comments of generated files.
const isGenerated = (file: string): boolean => /^\/\*\*[^]*?Do not edit\.\n \*\//.test(Fs.readFileSync(file, "utf8"))

const filesOf = (pattern: string): ReadonlyArray<string> =>
  Fs.globSync(pattern, { cwd: root }).sort().map((file) => Path.join(root, file)).filter((file) => !isGenerated(file))

const packages = Fs.globSync("packages/*", { cwd: root }).sort().filter((name) => isPublished(Path.join(root, name)))

const publicModules = new Set(
  packages.flatMap((name) => filesOf(`${name}/src/*.ts`)).filter((file) => Path.basename(file) !== "bin.ts")
)

for (const file of publicModules) {
  const source = parse(file)
  checkStatements(source, source.statements)
}

for (const problem of problems) console.error(problem)
if (problems.length === 0) console.log(`the exports of ${publicModules.size} modules are documented`)
else process.exitCode = 1
