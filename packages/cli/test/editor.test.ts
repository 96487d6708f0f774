import { assert, describe, it } from "@effect/vitest"
import * as Editor from "../src/internal/chat/editor.ts"
import { imagesIn, parse, unquoted } from "../src/internal/chat/message.ts"
import { rowOf } from "../src/internal/chat/row.ts"
import { plain, span, widthOf } from "../src/internal/lines.ts"

/** Keys as Node's readline names them: a text, `<name>`, `<C-c>` or `<M-return>`. */
export const keysOf = (keys: string): ReadonlyArray<Editor.Key> =>
  Array.from(keys.matchAll(/<(?:([CM])-)?([a-z-]+\d?)>|[^]/gu), ([whole, modifier, name]) =>
    name === undefined
      ? { input: whole, name: whole === " " ? "space" : whole.toLowerCase(), ctrl: false, meta: false }
      : { input: undefined, name, ctrl: modifier === "C", meta: modifier === "M" })

const typed = (keys: string, from: Editor.Editor = Editor.empty): Editor.Editor => {
  let editor = from
  for (const key of keysOf(keys)) {
    const [next, outcome] = Editor.press(editor, key)
    editor = outcome._tag === "Submitted" ? Editor.remember(next, outcome.text) : next
  }
  return editor
}

/** The text, with the cursor in it. */
const shown = ({ cursor, text }: Editor.Editor): string => `${text.slice(0, cursor)}|${text.slice(cursor)}`

describe("the editor", () => {
  it("edits", () => {
    const cases = [
      ["hello<left><left>X", "helX|lo"],
      ["one two three<C-w><C-w>", "one |"],
      ["one two<C-a>X<C-e>Y", "Xone twoY|"],
      ["one two<C-left><C-k>", "one |"],
      ["one two<M-left><C-u>", "|two"],
      ["ab<home><delete><right><backspace>", "|"],
      ["<backspace><left><delete>a<right>", "a|"],
      // What a person sees as one character.
      ["a👩‍👩‍👧e\u0301<backspace><backspace>", "a|"],
      ["a👩‍👩‍👧<left>x", "ax|👩‍👩‍👧"],
      ["one<C-j>two", "one\ntwo|"],
      ["one\\<return>two", "one\ntwo|"],
      ["one<M-return>two", "one\ntwo|"],
      // Keys that type nothing.
      ["a<f5><M-x><C-t><tab><escape>b", "ab|"]
    ] as const
    for (const [keys, expected] of cases) assert.strictEqual(shown(typed(keys)), expected, keys)
  })

  it("goes back to what was sent, and to what was begun", () => {
    const before = typed("one<return>two<return>two<return> <return>")
    assert.deepStrictEqual(before.history, ["one", "two"])
    assert.strictEqual(shown(typed("dra<up>", before)), "two|")
    assert.strictEqual(shown(typed("dra<up><up><up>", before)), "one|")
    assert.strictEqual(shown(typed("dra<up><up><down>", before)), "two|")
    assert.strictEqual(shown(typed("dra<up><up><down><down>", before)), "dra|")
    assert.strictEqual(shown(typed("<down>", before)), "|")
    assert.lengthOf(typed(Array.from({ length: 600 }, (_, i) => `${i}<return>`).join("")).history, 500)
  })

  it("takes a paste as text, whatever is in it", () => {
    const pasted = typed("a<paste-start>one<return><enter>two<return>three<C-c><C-d><up><tab>x<paste-end>b")
    assert.strictEqual(shown(pasted), "aone\ntwo\nthree\txb|")
    assert.isEmpty(pasted.history)
    const long = typed(`<paste-start>${"x".repeat(10)}<paste-end>`, { ...Editor.empty, text: "y".repeat(1_048_570) })
    assert.lengthOf(long.text, 1_048_576)
  })

  it("says what a key means", () => {
    const outcome = (keys: string) => {
      const all = keysOf(keys)
      return Editor.press(typed(keys.replace(/<[^<]*>$/, "")), all.at(-1)!)[1]._tag
    }
    assert.strictEqual(outcome("<C-d>"), "End")
    assert.strictEqual(outcome("a<C-d>"), "Edited")
    assert.strictEqual(outcome("a<C-c>"), "Interrupt")
    assert.strictEqual(outcome("a<return>"), "Submitted")
  })
})

describe("the row of a message", () => {
  const row = (text: string, columns: number, cursor = text.length) => {
    const { column, line } = rowOf({ text, cursor }, span("> "), columns)
    return [plain(line), column] as const
  }

  it("shows what is around the cursor", () => {
    assert.deepStrictEqual(row("hello", 40), ["> hello", 7])
    assert.deepStrictEqual(row("0123456789", 10), ["> …56789", 8])
    assert.deepStrictEqual(row("0123456789", 10, 0), ["> 012345…", 2])
    assert.deepStrictEqual(row("0123456789", 10, 8)[0], "> …34567…")
    assert.deepStrictEqual(row("one\ntwo\tthree", 40), ["> one⏎two three", 15])
    assert.deepStrictEqual(row("你好", 40), ["> 你好", 6])
  })

  it("never wraps, and shows nothing that a terminal obeys", () => {
    const text = "a\u001b[2J\u202e你👩‍👩‍👧\u0000 and more of it"
    for (let columns = 8; columns < 50; columns++) {
      for (let cursor = 0; cursor <= text.length; cursor++) {
        const [line, column] = row(text, columns, cursor)
        assert.isBelow(widthOf(line), columns, line)
        assert.isBelow(column, columns)
        assert.notMatch(line, /[\u0000-\u001f\u202e]/)
      }
    }
  })

  it("hides a secret", () => {
    const { line } = rowOf({ text: "sesame", cursor: 3 }, span("> "), 40, true)
    assert.strictEqual(plain(line), "> ******")
  })
})

describe("a message", () => {
  it("is a command, or not", () => {
    assert.deepStrictEqual(parse("/help"), { _tag: "Command", name: "help", argument: "" })
    assert.deepStrictEqual(parse(" /name Fix it \n"), { _tag: "Command", name: "name", argument: "Fix it" })
    assert.deepStrictEqual(parse("/exit"), { _tag: "Command", name: "quit", argument: "" })
    assert.deepStrictEqual(parse("/constructor"), { _tag: "UnknownCommand", name: "constructor" })
    assert.deepStrictEqual(parse("/usr/bin is full"), { _tag: "Message", text: "/usr/bin is full" })
    assert.deepStrictEqual(parse("//help"), { _tag: "Message", text: "/help" })
    assert.deepStrictEqual(parse("  indented\n"), { _tag: "Message", text: "  indented" })
    assert.deepStrictEqual(parse(" \n"), { _tag: "Empty" })
  })

  it("names images", () => {
    assert.deepStrictEqual(
      imagesIn(`Look at @a.png, (@"b c.JPG") and @a.png. Mail me@x.png, see @file.ts or @d/e.webp`),
      ["a.png", "b c.JPG", "d/e.webp"]
    )
    assert.strictEqual(unquoted(` "a b.png" `), "a b.png")
  })
})
