/** Reads the TypeScript files of `codex app-server generate-ts` with the compiler's own parser. */
import * as fs from "node:fs"
import * as path from "node:path"
import { type Node, type SourceFile, SyntaxKind, type TypeNode } from "typescript/unstable/ast"
import * as is from "typescript/unstable/ast/is"
import { API } from "typescript/unstable/sync"
import type { Definition, Definitions, Field, Type } from "./model.ts"

const docOf = (node: Node, file: SourceFile): string | undefined => {
  const doc = node.jsDoc?.at(-1)
  if (doc === undefined) return undefined
  // The node also contains the text before the comment.
  const text = file.text.slice(doc.pos, doc.end)
  return text.slice(text.indexOf("/**")).replaceAll("\r\n", "\n")
}

const parseFile = (file: SourceFile, id: string): Definition | undefined => {
  const imports = new Map<string, string>()
  const describe = (node: Node, what: string): string => `${id}: ${what}: ${file.text.slice(node.pos, node.end).trim()}`
  const fail = (node: Node, what: string): never => {
    throw new Error(describe(node, what))
  }
  const opaque = (node: Node, what: string): Type => ({ kind: "opaque", what: describe(node, what) })

  const fieldOf = (node: Node): Field | undefined => {
    if (!is.isPropertySignatureDeclaration(node) || node.type === undefined) return undefined
    if (!is.isIdentifier(node.name) && !is.isStringLiteral(node.name)) return undefined
    return {
      name: node.name.text,
      type: typeOf(node.type),
      optional: node.postfixToken?.kind === SyntaxKind.QuestionToken,
      doc: docOf(node, file)
    }
  }

  const typeOf = (node: TypeNode): Type => {
    switch (node.kind) {
      case SyntaxKind.StringKeyword:
        return { kind: "string" }
      case SyntaxKind.BooleanKeyword:
        return { kind: "boolean" }
      case SyntaxKind.NumberKeyword:
        return { kind: "number" }
      case SyntaxKind.BigIntKeyword:
        return { kind: "integer" }
      case SyntaxKind.UnknownKeyword:
        return { kind: "unknown" }
      case SyntaxKind.UndefinedKeyword:
        return { kind: "undefined" }
    }
    if (is.isParenthesizedTypeNode(node)) return typeOf(node.type)
    if (is.isArrayTypeNode(node)) return { kind: "array", item: typeOf(node.elementType) }
    if (is.isUnionTypeNode(node)) return { kind: "union", members: node.types.map(typeOf) }
    if (is.isIntersectionTypeNode(node)) return { kind: "intersection", members: node.types.map(typeOf) }
    if (is.isMappedTypeNode(node)) {
      if (node.type === undefined || node.typeParameter.constraint?.kind !== SyntaxKind.StringKeyword) {
        return opaque(node, "a mapped type over something other than string")
      }
      return { kind: "record", value: typeOf(node.type) }
    }
    if (is.isLiteralTypeNode(node)) {
      if (node.literal.kind === SyntaxKind.NullKeyword) return { kind: "null" }
      if (is.isStringLiteral(node.literal)) return { kind: "literal", value: node.literal.text }
      const text = file.text.slice(node.pos, node.end).trim()
      if (text === "true" || text === "false") return { kind: "literal", value: text === "true" }
      if (/^-?\d+(\.\d+)?$/.test(text)) return { kind: "literal", value: Number(text) }
      return opaque(node, "an unknown literal")
    }
    if (is.isTypeReferenceNode(node) && is.isIdentifier(node.typeName)) {
      const name = node.typeName.text
      const [first, second] = node.typeArguments ?? []
      if ((name === "Array" || name === "ReadonlyArray") && first !== undefined) {
        return { kind: "array", item: typeOf(first) }
      }
      if (name === "Record" && second?.kind === SyntaxKind.NeverKeyword) return { kind: "object", fields: [] }
      // A definition may use its own name.
      const target = imports.get(name) ?? (name === path.posix.basename(id) ? id : undefined)
      return target === undefined ? opaque(node, "an unknown name") : { kind: "ref", id: target }
    }
    if (is.isTypeLiteralNode(node)) {
      const [first] = node.members
      if (node.members.length === 1 && first !== undefined && is.isIndexSignatureDeclaration(first)) {
        return first.type.kind === SyntaxKind.NeverKeyword
          ? { kind: "object", fields: [] }
          : { kind: "record", value: typeOf(first.type) }
      }
      const fields = node.members.map(fieldOf)
      return fields.every((field) => field !== undefined)
        ? { kind: "object", fields }
        : opaque(node, "an object with something other than properties")
    }
    return opaque(node, `an unknown construct (${SyntaxKind[node.kind]})`)
  }

  let definition: Definition | undefined
  for (const statement of file.statements) {
    if (is.isImportDeclaration(statement)) {
      const bindings = statement.importClause?.namedBindings
      if (!is.isStringLiteral(statement.moduleSpecifier) || bindings === undefined || !is.isNamedImports(bindings)) {
        return fail(statement, "an unknown import")
      }
      const from = path.posix.join(path.posix.dirname(id), statement.moduleSpecifier.text)
      for (const element of bindings.elements) imports.set(element.name.text, from)
    } else if (is.isTypeAliasDeclaration(statement) && definition === undefined) {
      definition = { id, name: statement.name.text, type: typeOf(statement.type), doc: docOf(statement, file) }
    } else {
      return fail(statement, "an unexpected statement")
    }
  }
  return definition
}

/** Parses all definitions of a folder, in the order of their ids. */
export const parse = (folder: string): Definitions => {
  const config = path.join(folder, "tsconfig.json")
  fs.writeFileSync(config, JSON.stringify({ compilerOptions: { noLib: true, types: [] }, include: ["**/*.ts"] }))
  const api = new API({ cwd: folder })
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProjects()[0]
    if (project === undefined) throw new Error("TypeScript opened no project")
    const files = fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((name) => name.replaceAll("\\", "/"))
      .filter((name) => name.endsWith(".ts") && path.posix.basename(name) !== "index.ts")
      .sort()
    const definitions = new Map<string, Definition>()
    for (const name of files) {
      const file = project.program.getSourceFile(path.join(folder, name))
      const id = name.replace(/\.ts$/, "")
      const definition = file === undefined ? undefined : parseFile(file, id)
      if (definition === undefined) throw new Error(`${name} defines nothing`)
      definitions.set(id, definition)
    }
    return definitions
  } finally {
    api.close()
  }
}
