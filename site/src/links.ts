/** Finds what a `{@link Name}` of a comment means: what its file knows by that name, or else what the module does. */
import * as Path from "node:path"
import ts from "typescript"
import { aliased, type Collected, type Described } from "./collect.ts"
import { signatureOf } from "./declarations.ts"

/**
 * Returns page and anchor for a name; undefined if it means nothing; null if another package describes it.
 *
 * @param source the file with the comment
 * @param inside the export that the comment belongs to, whose members need no further name
 */
export type Resolve = (
  link: string,
  described: Described,
  source: ts.SourceFile,
  inside: string | undefined
) => string | null | undefined

export const makeResolve = ({ checker, described, homes }: Collected): Resolve => {
  const byFile = new Map(described.map((one) => [one.module.file, one]))

  /** What names mean in a file: what it imports, and what it declares. */
  const scopes = new Map<ts.SourceFile, ReadonlyMap<string, ts.Symbol>>()
  const scopeOf = (source: ts.SourceFile): ReadonlyMap<string, ts.Symbol> => {
    const known = scopes.get(source)
    if (known !== undefined) return known
    const scope = new Map<string, ts.Symbol>()
    const add = (name: ts.Node | undefined): void => {
      const symbol = name === undefined ? undefined : checker.getSymbolAtLocation(name)
      if (symbol !== undefined && name !== undefined) scope.set(name.getText(), aliased(checker, symbol))
    }
    for (const statement of source.statements) {
      if (ts.isImportDeclaration(statement)) {
        const bindings = statement.importClause?.namedBindings
        if (bindings === undefined) continue
        if (ts.isNamespaceImport(bindings)) add(bindings.name)
        else bindings.elements.forEach(({ name }) => add(name))
      } else if (ts.isExportDeclaration(statement)) {
        const names = statement.exportClause
        if (names !== undefined && ts.isNamedExports(names)) names.elements.forEach(({ name }) => add(name))
      } else if (ts.isVariableStatement(statement)) {
        statement.declarationList.declarations.forEach(({ name }) => add(name))
      } else if ("name" in statement) add(statement.name as ts.Node)
    }
    scopes.set(source, scope)
    return scope
  }

  const entryLink = (
    { entries, module }: Described,
    name: string,
    member: ReadonlyArray<string>
  ): string | undefined => {
    const entry = entries.find((entry) => entry.name === name)
    if (entry === undefined) return undefined
    if (member.length === 0) return `${module.page}.md#${name}`
    const found = entry.members.find(({ id }) => id === `${name}.${member.at(-1)}`)
    // Known, but without words of its own: the type shows it.
    const isShown = entry.declarations.some((node) =>
      new RegExp(`\\b${member.at(-1)}\\b`).test(signatureOf(node, checker))
    )
    return found !== undefined ? `${module.page}.md#${found.id}` : isShown ? `${module.page}.md#${name}` : undefined
  }

  return (link, { module }, source, inside) => {
    const [first = "", ...rest] = link.replaceAll("#", ".").split(".")
    const one = byFile.get(module.file)!
    const member = inside === undefined ? undefined : entryLink(one, inside, [first, ...rest])
    const own = entryLink(one, first, rest)
    if (own !== undefined) return own
    const symbol = scopeOf(source).get(first)
    const node = symbol?.declarations?.[0]
    if (node !== undefined) {
      if (ts.isSourceFile(node)) {
        const target = byFile.get(node.fileName)
        if (target !== undefined) {
          const [name, ...members] = rest
          if (name === undefined) return `${target.module.page}.md`
          const found = entryLink(target, name, members) ?? entryLink(target, first, rest)
          if (found !== undefined) return found
        } else if (node.fileName.includes("/node_modules/")) return null
      } else if (node.getSourceFile().fileName.includes("/node_modules/")) return null
      const home = homes.get(node)
      const found = home === undefined ? undefined : entryLink(byFile.get(home.module.file)!, home.id, rest)
      if (found !== undefined) return found
    }
    // A module of the same package that the file has no need to import, then one of another package.
    const folder = Path.posix.dirname(module.page)
    const others = described.filter((other) => other.module.name === first).sort((a, b) =>
      Number(Path.posix.dirname(b.module.page) === folder) - Number(Path.posix.dirname(a.module.page) === folder)
    )
    for (const other of others) {
      const [name, ...members] = rest
      const found = name === undefined
        ? `${other.module.page}.md`
        : entryLink(other, name, members) ?? entryLink(other, first, rest)
      if (found !== undefined) return found
    }
    return member
  }
}
