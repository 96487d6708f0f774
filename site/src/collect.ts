/** Finds what each public module exports, where each export is described, and what is said about it. */
import * as Path from "node:path"
import ts from "typescript"
import { type Comment, parseComment } from "./comment.ts"
import { commentOf, type Member, membersOf } from "./declarations.ts"
import { type Module, type Package, root } from "./packages.ts"

export interface Entry {
  readonly name: string
  readonly declarations: ReadonlyArray<ts.Declaration>
  readonly comment: Comment
  readonly members: ReadonlyArray<Member & { readonly id: string }>
}

export interface Reexport {
  readonly name: string
  /** Page and anchor; undefined for what another package describes. */
  readonly target: string | undefined
  readonly from: string
}

export interface Described {
  readonly module: Module
  readonly source: ts.SourceFile
  readonly header: Comment
  readonly entries: ReadonlyArray<Entry>
  readonly reexports: ReadonlyArray<Reexport>
}

export interface Collected {
  readonly checker: ts.TypeChecker
  readonly described: ReadonlyArray<Described>
  /** Where a declaration is described, and under which name. */
  readonly homes: ReadonlyMap<ts.Node, { readonly module: Module; readonly id: string }>
}

const noComment: Comment = parseComment("/** */")

const headerOf = (source: ts.SourceFile): Comment => {
  const [first] = source.statements
  if (first === undefined) return noComment
  const comments = (ts.getLeadingCommentRanges(source.text, first.getFullStart()) ?? []).map(({ end, pos }) =>
    source.text.slice(pos, end)
  ).filter((text) => text.startsWith("/**"))
  // The comment just before a declaration is the declaration's own.
  const isOwn = comments.length === 1 && !ts.isImportDeclaration(first) && !ts.isExportDeclaration(first)
  return comments[0] === undefined || isOwn ? noComment : parseComment(comments[0])
}

const programOf = (packages: ReadonlyArray<Package>): ts.Program => {
  const { config } = ts.readConfigFile(Path.join(root, "tsconfig.base.json"), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  return ts.createProgram(packages.flatMap(({ modules }) => modules.map(({ file }) => file)), {
    ...options,
    noEmit: true,
    composite: false,
    incremental: false,
    types: ["node"],
    typeRoots: [Path.join(root, "node_modules/@types")]
  })
}

/** Declarations with text of their own: a star export, for example, has none. */
const documented = (symbol: ts.Symbol): ReadonlyArray<ts.Declaration> =>
  (symbol.declarations ?? []).filter((node) =>
    ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) ||
    ts.isFunctionDeclaration(node) || ts.isVariableDeclaration(node)
  )

/** What an imported or exported name stands for. */
export const aliased = (checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol =>
  (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)

export const collect = (packages: ReadonlyArray<Package>): Collected => {
  const program = programOf(packages)
  const checker = program.getTypeChecker()
  const modules = packages.flatMap(({ modules }) => modules)
  const moduleOfFile = new Map(modules.map((module) => [module.file, module]))
  const homes = new Map<ts.Node, { readonly module: Module; readonly id: string }>()
  const exportsOf = (module: Module) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(module.file)!)!)

  const pending: Array<
    {
      readonly module: Module
      readonly name: string
      readonly declarations: ReadonlyArray<ts.Declaration>
      readonly symbol: ts.Symbol
    }
  > = []
  for (const module of modules) {
    for (const symbol of exportsOf(module)) {
      pending.push({ module, name: symbol.name, declarations: documented(aliased(checker, symbol)), symbol })
    }
  }
  // A module's own declarations first: the others are exported again.
  const isOwn = ({ declarations, module }: (typeof pending)[number]): boolean =>
    declarations[0]?.getSourceFile().fileName === module.file
  for (const entry of [...pending.filter(isOwn), ...pending.filter((entry) => !isOwn(entry))]) {
    for (const node of entry.declarations) {
      const file = node.getSourceFile().fileName
      // Another package's: nothing here describes it.
      if (file.includes("/node_modules/") || homes.has(node)) continue
      homes.set(node, { module: entry.module, id: entry.name })
    }
  }

  const describe = (module: Module): Described => {
    const source = program.getSourceFile(module.file)!
    const entries: Array<Entry> = []
    const reexports: Array<Reexport> = []
    for (const { declarations, name, symbol } of pending.filter((entry) => entry.module === module)) {
      const home = declarations[0] === undefined ? undefined : homes.get(declarations[0])
      if (home === undefined || home.module !== module || home.id !== name) {
        const target = aliased(checker, symbol).declarations?.[0]
        const whole = target !== undefined && ts.isSourceFile(target) ? moduleOfFile.get(target.fileName) : undefined
        reexports.push({
          name,
          target: home !== undefined
            ? `${home.module.page}.md#${home.id}`
            : whole !== undefined
            ? `${whole.page}.md`
            : undefined,
          from: home?.module.specifier ?? whole?.specifier ?? ""
        })
        continue
      }
      // An export with a comment of its own says more than the declaration.
      const own = [...symbol.declarations ?? [], ...declarations].find((node) => commentOf(node) !== undefined)
      const comment = own === undefined ? noComment : parseComment(commentOf(own)!)
      if (comment.isInternal) continue
      const used = new Map<string, number>()
      const members = declarations.flatMap(membersOf).map((member) => {
        const count = used.get(member.name) ?? 0
        used.set(member.name, count + 1)
        const id = `${name}.${member.name.replaceAll(/[^\w$]+/g, "-")}`
        return { ...member, id: count === 0 ? id : `${id}-${count}` }
      })
      entries.push({ name, declarations, comment, members })
    }
    return { module, source, header: headerOf(source), entries, reexports }
  }
  const described = modules.map(describe)
  return { checker, described, homes }
}
