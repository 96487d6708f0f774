/**
 * Makes a page of Markdown for each public module, from its source and its JSDoc.
 *
 * It shows declarations as they are written. TypeDoc does not see the members of a service, because they are a type
 * argument of `Context.Service`, and writes error unions out instead of their names.
 */
import * as Path from "node:path"
import type ts from "typescript"
import { collect, type Described, type Entry } from "./collect.ts"
import { type Comment, firstSentence, parseComment, replaceLinks } from "./comment.ts"
import { signatureOf } from "./declarations.ts"
import { makeResolve } from "./links.ts"
import { type Package, root } from "./packages.ts"

export interface Page {
  readonly page: string
  readonly text: string
  readonly summary: string
}

/** Markdown characters of a name; a name is never markup. */
const escapeText = (text: string): string => text.replaceAll(/[\\`*_[\]<>{}|]/g, "\\$&")

const fence = (code: string, language: string): string => `\`\`\`${language}\n${code}\n\`\`\``

const isGenerated = (source: ts.SourceFile): boolean => /^\/\*\*[^]*?Do not edit\.\n \*\//.test(source.text)

/** @throws with all links of comments that lead nowhere. */
export const reference = (packages: ReadonlyArray<Package>): ReadonlyArray<Page> => {
  const collected = collect(packages)
  const { checker, described } = collected
  const resolve = makeResolve(collected)
  const problems: Array<string> = []

  const render = (one: Described): Page => {
    const { entries, header, module, reexports, source } = one
    const generated = isGenerated(source)
    const language = generated ? "txt" : "ts"
    const relative = (target: string): string => Path.posix.relative(Path.posix.dirname(module.page), target)
    const prose = (text: string, place: ts.SourceFile, inside?: string): string =>
      replaceLinks(text, (name, label) => {
        const target = resolve(name, one, place, inside)
        if (target === undefined) {
          problems.push(
            `${Path.relative(root, place.fileName)}: {@link ${name}} in ${inside ?? "the module"} leads nowhere`
          )
        }
        const shown = label === "" ? `\`${name}\`` : label
        return target == null ? shown : `[${shown}](${relative(target)})`
      })
    const notes = (comment: Comment, place: ts.SourceFile, inside?: string): ReadonlyArray<string> => [
      ...comment.text === "" ? [] : [prose(comment.text, place, inside)],
      ...comment.others.length === 0
        ? []
        : [comment.others.map(({ tag, text }) => `- \`@${tag}\` ${prose(text, place, inside)}`).join("\n")],
      ...comment.see.length === 0
        ? []
        : [`See also: ${comment.see.map((text) => prose(text, place, inside).replaceAll("\n", " ")).join("; ")}`]
    ]

    const section = ({ comment, declarations, members, name }: Entry): string => {
      const place = declarations[0]!.getSourceFile()
      return [
        `### ${escapeText(name)} {#${name}}`,
        fence(declarations.map((node) => signatureOf(node, checker)).join("\n\n"), language),
        ...notes(comment, place, name),
        ...members.flatMap((member) => [
          `#### ${escapeText(member.name)} {#${member.id}}`,
          fence(signatureOf(member.node, checker), language),
          ...notes(parseComment(member.comment), place, name)
        ]),
        ...comment.since === undefined ? [] : [`Since ${comment.since}`]
      ].join("\n\n")
    }

    const categories = Map.groupBy(entries, ({ comment }) => comment.category ?? "exports")
    const text = [
      `# ${escapeText(module.name)} {#the-module}`,
      fence(module.imports, "ts"),
      ...notes(header, source),
      ...[...categories].sort(([a], [b]) => a < b ? -1 : 1).flatMap(([category, entries]) => [
        `## ${category[0]!.toUpperCase()}${category.slice(1)} {#category-${category.replaceAll(/\W+/g, "-")}}`,
        ...[...entries].sort((a, b) => a.name < b.name ? -1 : 1).map(section)
      ]),
      ...reexports.length === 0 ? [] : [
        "## Exported again {#category-exported-again}",
        [...Map.groupBy(reexports, ({ from }) => from)].sort(([a], [b]) => a < b ? -1 : 1).map(([from, names]) => {
          const list = names.map(({ name, target }) =>
            target === undefined ? `\`${name}\`` : `[\`${name}\`](${relative(target)})`
          )
          // A whole module's names are in its own page.
          const page = names.find(({ target }) => target !== undefined)?.target?.replace(/#.*/, "")
          return list.length > 100 && page !== undefined
            ? `- The ${list.length} exports of [\`${from}\`](${relative(page)})`
            : `- ${from === "" ? "Other packages" : `\`${from}\``}: ${list.join(", ")}`
        }).join("\n")
      ]
    ].join("\n\n")
    return { page: module.page, text: `${text}\n`, summary: prose(firstSentence(header.text), source) }
  }

  const pages = described.map(render)
  if (problems.length > 0) throw new Error(`links of comments lead nowhere:\n${[...new Set(problems)].join("\n")}`)
  return pages
}
