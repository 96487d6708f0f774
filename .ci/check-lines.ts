/**
 * Reports comments in the packages' sources that are wider than 120 columns, because the formatter does not wrap them.
 * `--fix` rewraps their paragraphs. Code is left to the formatter, and long strings cannot be broken.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root } from "./examples.ts"

const width = 120

const isFixing = process.argv.includes("--fix")

const isTooLong = (line: string): boolean => [...line].length > width

/** Splits text into words. A link or a code span counts as one word. */
const wordsOf = (text: string): ReadonlyArray<string> => text.match(/(?:\{@[^}]*\}|`[^`]*`|\S)+/g) ?? []

const wrap = (first: string, rest: string, text: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = first
  let isEmpty = true
  for (const word of wordsOf(text)) {
    if (!isEmpty && isTooLong(`${line} ${word}`)) {
      lines.push(line)
      line = rest
      isEmpty = true
    }
    line += isEmpty ? word : ` ${word}`
    isEmpty = false
  }
  return [...lines, line]
}

/** A line of a comment: its prefix and its text. */
const commentLine = /^(\s*(?:\/\/|\*(?!\/)) ?)(.*)$/

/** Starts a new paragraph: a tag, a list item, a heading, a quotation. */
const opening = /^(?:@|[-*] |\d+\. |#|>)/

/** Text that must not be wrapped: tables, code fences, empty lines. */
const isFixed = (text: string): boolean => text === "" || text.startsWith("|") || text.startsWith("```")

/** Rewraps the paragraphs of comments that contain a long line. */
const rewrap = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const result: Array<string> = []
  let isCode = false
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!
    const single = /^(\s*)\/\*\* (.*) \*\/$/.exec(line)
    if (single !== null && isTooLong(line)) {
      const [, indent, text] = single
      result.push(`${indent}/**`, ...wrap(`${indent} * `, `${indent} * `, text!), `${indent} */`)
      continue
    }
    const [, prefix, text] = commentLine.exec(line) ?? []
    if (prefix === undefined || text === undefined) {
      isCode = false
      result.push(line)
      continue
    }
    if (text.startsWith("```")) isCode = !isCode
    if (isCode || isFixed(text)) {
      result.push(line)
      continue
    }
    const paragraph = [text]
    let hanging = opening.exec(text)?.[0].replace(/^[@#>]$/, "").replaceAll(/./g, " ") ?? ""
    while (at + 1 < lines.length) {
      const [, nextPrefix, next] = commentLine.exec(lines[at + 1]!) ?? []
      if (next === undefined || nextPrefix!.trimEnd() !== prefix.trimEnd()) break
      if (isFixed(next) || opening.test(next.trimStart())) break
      if (paragraph.length === 1) hanging = /^ */.exec(next)![0]
      paragraph.push(next)
      at++
    }
    const own = lines.slice(at - paragraph.length + 1, at + 1)
    result.push(...(own.some(isTooLong) ? wrap(prefix, prefix + hanging, paragraph.join(" ")) : own))
  }
  return result
}

const isComment = (line: string): boolean => commentLine.test(line) || /^\s*\/\*\* /.test(line)

let count = 0
const files = Fs.globSync("packages/*/src/**/*.ts", { cwd: root, exclude: ["**/node_modules/**"] }).sort()
for (const file of files) {
  const path = Path.join(root, file)
  const text = Fs.readFileSync(path, "utf8")
  // The binary supplies the comments of generated files.
  if (/^\/\*\*[^]*?Do not edit\.\n \*\//.test(text)) continue
  const lines = text.split("\n")
  if (!lines.some((line) => isComment(line) && isTooLong(line))) continue
  const fixed = isFixing ? rewrap(lines) : lines
  if (isFixing) Fs.writeFileSync(path, fixed.join("\n"))
  fixed.forEach((line, index) => {
    if (!isComment(line) || !isTooLong(line)) return
    count++
    console.error(`${file}:${index + 1}: the comment is ${[...line].length} columns wide`)
  })
}
if (count > 0) process.exitCode = 1
else console.log(`no comment of ${files.length} files is wider than ${width} columns`)
