/** Finds what only one codex has: its version and the names of its models. */

export interface Literal {
  readonly line: number
  readonly text: string
}

const comment = /^\s*(?:\/\/|\/?\*).*|(?<=\s)\/\/ .*$/
// What codex did not do before a version stays true.
const history = /isAtLeast\("[\d.]+"\)/g
const version = /\b0\.1\d\d\.\d+\b|(?<=["'`])0\.1\d\d(?=["'`])/
const model = /\bgpt-\d[\w.-]*/

/** The versions and models in the code of a source, outside of comments and `isAtLeast`. */
export const literals = (source: string): ReadonlyArray<Literal> =>
  source.split("\n").flatMap((text, index) => {
    const code = text.replace(comment, "").replaceAll(history, "")
    const found = version.exec(code) ?? model.exec(code)
    return found === null ? [] : [{ line: index + 1, text: found[0] }]
  })
