/** Edits the message that a person types: keys to text, with a history and pastes of several lines. Pure. */

export interface Key {
  /** What was typed, if the key types something. */
  readonly input: string | undefined
  readonly name: string
  readonly ctrl: boolean
  readonly meta: boolean
}

export interface Editor {
  readonly text: string
  /** Where the next character goes, in UTF-16 code units. */
  readonly cursor: number
  /** What was sent before, the oldest first. */
  readonly history: ReadonlyArray<string>
  /** The entry of the history that is shown. */
  readonly at: number | undefined
  /** What was typed before the history was looked through. */
  readonly draft: string
  /** What was pasted so far, while a paste comes in. */
  readonly paste: string | undefined
}

export const empty: Editor = { text: "", cursor: 0, history: [], at: undefined, draft: "", paste: undefined }

/** What a key means to the one who edits. */
export type Outcome =
  | { readonly _tag: "Edited" }
  | { readonly _tag: "Submitted"; readonly text: string }
  /** Ctrl-C. */
  | { readonly _tag: "Interrupt" }
  /** Ctrl-D, with nothing typed. */
  | { readonly _tag: "End" }
  | { readonly _tag: "Nothing" }

const edited: Outcome = { _tag: "Edited" }
const nothing: Outcome = { _tag: "Nothing" }

/** codex accepts no more: docs/codex-behaviour.md, "The text of an input has at most 1,048,576 characters". */
const maxLength = 1_048_576

/** More than anybody looks through. */
const maxHistory = 500

// What a person sees as one character: an accent or an emoji of several parts is removed as a whole.
const segmenter = new Intl.Segmenter()

/** The characters of a text as a person counts them. */
export const characters = (text: string): ReadonlyArray<string> =>
  Array.from(segmenter.segment(text), ({ segment }) => segment)

// A character has no more code units than this, and a long text is not segmented for one key.
const window = 64

const before = ({ cursor, text }: Editor): number => {
  const last = characters(text.slice(Math.max(0, cursor - window), cursor)).at(-1)
  return cursor - (last?.length ?? 0)
}

const after = ({ cursor, text }: Editor): number => {
  const [first] = characters(text.slice(cursor, cursor + window))
  return cursor + (first?.length ?? 0)
}

export const insert = (editor: Editor, part: string): Editor => {
  const kept = part.slice(0, Math.max(0, maxLength - editor.text.length))
  return {
    ...editor,
    text: editor.text.slice(0, editor.cursor) + kept + editor.text.slice(editor.cursor),
    cursor: editor.cursor + kept.length
  }
}

export const withText = (editor: Editor, text: string): Editor => ({ ...editor, text, cursor: text.length })

const without = (editor: Editor, from: number, to: number): Editor => ({
  ...editor,
  text: editor.text.slice(0, from) + editor.text.slice(to),
  cursor: from
})

/** Empties the line and keeps what was on it for the keys that go back. */
export const remember = (editor: Editor, text: string): Editor => ({
  ...empty,
  history: text.trim() === "" || editor.history.at(-1) === text
    ? editor.history
    : [...editor.history, text].slice(-maxHistory)
})

export const clear = (editor: Editor): Editor => ({ ...empty, history: editor.history })

// =============================================================================
// Keys
// =============================================================================

export const press = (editor: Editor, key: Key): readonly [Editor, Outcome] => {
  if (editor.paste !== undefined) return pasting(editor, editor.paste, key)
  if (key.ctrl) return withCtrl(editor, key)
  switch (key.name) {
    case "paste-start":
      return [{ ...editor, paste: "" }, nothing]
    case "return":
      if (key.meta) return [insert(editor, "\n"), edited]
      // A backslash continues the message on every terminal.
      return editor.text[editor.cursor - 1] === "\\"
        ? [insert(without(editor, editor.cursor - 1, editor.cursor), "\n"), edited]
        : [editor, { _tag: "Submitted", text: editor.text }]
    case "enter":
      return [insert(editor, "\n"), edited]
    case "backspace":
      return key.meta ? [wordBefore(editor), edited] : [without(editor, before(editor), editor.cursor), edited]
    case "delete":
      return [without(editor, editor.cursor, after(editor)), edited]
    case "left":
      return [{ ...editor, cursor: key.meta ? wordStart(editor) : before(editor) }, edited]
    case "right":
      return [{ ...editor, cursor: key.meta ? wordEnd(editor) : after(editor) }, edited]
    case "home":
      return [{ ...editor, cursor: 0 }, edited]
    case "end":
      return [{ ...editor, cursor: editor.text.length }, edited]
    case "up":
      return [back(editor), edited]
    case "down":
      return [forth(editor), edited]
    default:
      return key.meta || !isTyped(key.input) ? [editor, nothing] : [insert(editor, key.input), edited]
  }
}

const withCtrl = (editor: Editor, { name }: Key): readonly [Editor, Outcome] => {
  switch (name) {
    case "c":
      return [editor, { _tag: "Interrupt" }]
    case "d":
      return editor.text === ""
        ? [editor, { _tag: "End" }]
        : [without(editor, editor.cursor, after(editor)), edited]
    case "a":
      return [{ ...editor, cursor: 0 }, edited]
    case "e":
      return [{ ...editor, cursor: editor.text.length }, edited]
    case "b":
      return [{ ...editor, cursor: before(editor) }, edited]
    case "f":
      return [{ ...editor, cursor: after(editor) }, edited]
    case "left":
      return [{ ...editor, cursor: wordStart(editor) }, edited]
    case "right":
      return [{ ...editor, cursor: wordEnd(editor) }, edited]
    case "h":
      return [without(editor, before(editor), editor.cursor), edited]
    case "j":
      return [insert(editor, "\n"), edited]
    case "k":
      return [without(editor, editor.cursor, editor.text.length), edited]
    case "u":
      return [without(editor, 0, editor.cursor), edited]
    case "w":
      return [wordBefore(editor), edited]
    case "p":
      return [back(editor), edited]
    case "n":
      return [forth(editor), edited]
    default:
      return [editor, nothing]
  }
}

const isTyped = (input: string | undefined): input is string =>
  input !== undefined && input !== "" && !/[\u0000-\u001f\u007f-\u009f]/.test(input)

const wordStart = ({ cursor, text }: Editor): number => text.slice(0, cursor).trimEnd().search(/\S*$/)

const wordEnd = ({ cursor, text }: Editor): number => cursor + (/^\s*\S*/.exec(text.slice(cursor))?.[0].length ?? 0)

const wordBefore = (editor: Editor): Editor => without(editor, wordStart(editor), editor.cursor)

// =============================================================================
// The history
// =============================================================================

const back = (editor: Editor): Editor => {
  const at = (editor.at ?? editor.history.length) - 1
  const entry = editor.history[at]
  if (entry === undefined) return editor
  const draft = editor.at === undefined ? editor.text : editor.draft
  return { ...withText(editor, entry), at, draft }
}

const forth = (editor: Editor): Editor => {
  if (editor.at === undefined) return editor
  const at = editor.at + 1
  const entry = editor.history[at]
  return entry === undefined
    ? { ...withText(editor, editor.draft), at: undefined, draft: "" }
    : { ...withText(editor, entry), at }
}

// =============================================================================
// Pastes
// =============================================================================

// Nothing in a paste is a command: not the end of a line, not Ctrl-C.
const pasting = (editor: Editor, paste: string, key: Key): readonly [Editor, Outcome] => {
  switch (key.name) {
    case "paste-end":
      // Terminals send the key of a line's end; some programs copy that of Windows.
      return [insert({ ...editor, paste: undefined }, paste.replace(/\r\n?/g, "\n")), edited]
    case "return":
      return [{ ...editor, paste: `${paste}\r` }, nothing]
    case "enter":
      return [{ ...editor, paste: `${paste}\n` }, nothing]
    case "tab":
      return [{ ...editor, paste: `${paste}\t` }, nothing]
    default:
      return isTyped(key.input) && paste.length < maxLength
        ? [{ ...editor, paste: paste + key.input }, nothing]
        : [editor, nothing]
  }
}
