/** What a declaration looks like to its users: its text as written, without comments and without what it does. */
import ts from "typescript"

/** The text of a node without its comments, and with the given nodes cut out. */
const textWithout = (node: ts.Node, cut: ReadonlyArray<ts.Node> = []): string => {
  const source = node.getSourceFile().text
  const ranges: Array<readonly [number, number]> = cut.map((part) => [part.getFullStart(), part.getEnd()])
  const visit = (part: ts.Node): void => {
    if (cut.includes(part)) return
    for (
      const { end, pos } of [
        ...(ts.getLeadingCommentRanges(source, part.getFullStart()) ?? []),
        ...(ts.getTrailingCommentRanges(source, part.getEnd()) ?? [])
      ]
    ) if (pos >= node.getStart() && end <= node.getEnd()) ranges.push([pos, end])
    // All children with their tokens: a comment may stand before a brace.
    for (const child of part.getChildren()) visit(child)
  }
  visit(node)
  let text = ""
  let at = node.getStart()
  for (const [pos, end] of ranges.sort(([a], [b]) => a - b)) {
    if (pos < at) continue
    text += source.slice(at, pos)
    at = end
  }
  text += source.slice(at, node.getEnd())
  const indent = ts.getLineAndCharacterOfPosition(node.getSourceFile(), node.getStart()).character
  return text.split("\n").map((line) => line.replace(/\s+$/, "")).filter((line) => line !== "").map((line, index) =>
    index === 0 ? line : line.replace(new RegExp(`^ {0,${indent}}`), "")
  ).join("\n")
}

const isHidden = (member: ts.ClassElement): boolean =>
  ts.canHaveModifiers(member) &&
    ts.getModifiers(member)?.some(({ kind }) =>
        kind === ts.SyntaxKind.PrivateKeyword || kind === ts.SyntaxKind.OverrideKeyword
      ) === true || member.name !== undefined && ts.isPrivateIdentifier(member.name)

/** What a function or a class does, as opposed to how it is called. */
const bodiesOf = (node: ts.Node): ReadonlyArray<ts.Node> => {
  if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isAccessor(node)) {
    return node.body === undefined ? [] : [node.body]
  }
  if (ts.isPropertyDeclaration(node)) {
    return node.initializer === undefined || node.type === undefined
      ? []
      : [node.initializer]
  }
  if (ts.isClassDeclaration(node)) {
    return node.members.flatMap((member) => isHidden(member) ? [member] : bodiesOf(member))
  }
  return []
}

const defaultOf = ({ initializer, type }: ts.ParameterDeclaration): ReadonlyArray<ts.Node> =>
  initializer === undefined || type === undefined ? [] : [initializer]

const unexported = (text: string): string => text.replace(/^export (?:declare )?/, "")

export const signatureOf = (node: ts.Node, checker: ts.TypeChecker): string => {
  if (ts.isVariableDeclaration(node)) {
    if (node.type !== undefined) return `const ${node.name.getText()}: ${textWithout(node.type)}`
    const name = node.name.getText()
    const flags = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope
    const value = node.initializer
    if (value !== undefined && (ts.isArrowFunction(value) || ts.isFunctionExpression(value))) {
      const signature = checker.getSignatureFromDeclaration(value)
      const generics = value.typeParameters?.map((parameter) => textWithout(parameter)).join(", ")
      const parameters = value.parameters.map((parameter) =>
        textWithout(parameter, defaultOf(parameter)).replace(/\s*=\s*$/, "")
      )
      const result = value.type !== undefined
        ? textWithout(value.type)
        : signature === undefined
        ? "unknown"
        : checker.typeToString(checker.getReturnTypeOfSignature(signature), node, flags)
      const head = `const ${name}: ${generics === undefined ? "" : `<${generics}>`}`
      const line = `${head}(${parameters.join(", ")}) => ${result}`
      return line.length <= 100 && !line.includes("\n")
        ? line
        : `${head}(\n${parameters.map((text) => text.replaceAll(/^/gm, "  ")).join(",\n")}\n) => ${result}`
    }
    const type = checker.typeToString(checker.getTypeAtLocation(node), node, flags)
    return `const ${node.name.getText()}: ${type}`
  }
  const text = unexported(textWithout(node, bodiesOf(node)))
  if (ts.isPropertyDeclaration(node) && node.type !== undefined) return text.replace(/\s*=\s*$/, "")
  return ts.isClassDeclaration(node) ? text.replace(/\{\s*\}$/, "").trim() : text.replace(/,$/, "").trim()
}

export interface Member {
  readonly name: string
  readonly node: ts.Node
  readonly comment: string
}

export const commentOf = (node: ts.Node): string | undefined =>
  ts.getJSDocCommentsAndTags(node).findLast(ts.isJSDoc)?.getText()

/** The documented members of a declaration, however deep. */
export const membersOf = (node: ts.Node): ReadonlyArray<Member> => {
  const members: Array<Member> = []
  const visit = (part: ts.Node): void => {
    if (
      part !== node && (ts.isPropertySignature(part) || ts.isMethodSignature(part) || ts.isPropertyAssignment(part) ||
        ts.isPropertyDeclaration(part) || ts.isMethodDeclaration(part) || ts.isAccessor(part))
    ) {
      const comment = commentOf(part)
      if (comment !== undefined && !(ts.isClassElement(part) && isHidden(part))) {
        members.push({ name: part.name.getText().replaceAll(/["']/g, ""), node: part, comment })
      }
    }
    if (ts.isBlock(part) || ts.isArrowFunction(part) || ts.isFunctionExpression(part)) return
    ts.forEachChild(part, visit)
  }
  // A value is described by its type; what it is made of is nobody's business.
  if (ts.isVariableDeclaration(node)) {
    if (node.type !== undefined) visit(node.type)
  } else visit(node)
  return members
}
