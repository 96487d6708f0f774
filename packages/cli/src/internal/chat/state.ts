/**
 * What a chat does next: from what a person types and what becomes of turns, to lines and actions. Pure: the shell
 * around it reads the terminal, runs the turns and tells how they ended.
 */
import { type Line, line, span } from "../lines.ts"
import * as Editor from "./editor.ts"
import { type CommandName, commands, parse } from "./message.ts"

export interface State {
  /** `starting` until the server has begun the turn; `busy` while a command of the chat works. */
  readonly phase: "idle" | "starting" | "working" | "interrupting" | "busy"
  readonly editor: Editor.Editor
  readonly mode: "default" | "plan"
  /** The last plan of the agent, until it is carried out. */
  readonly plan: string | undefined
  /** The images of the next message. */
  readonly images: ReadonlyArray<string>
  /** Messages that could not be sent yet. */
  readonly held: ReadonlyArray<string>
  /** Whether to leave when the turn has ended, because the input has. */
  readonly isEnding: boolean
}

/** Busy, because codex has to start. */
export const initial = (options?: {
  readonly mode?: State["mode"] | undefined
  readonly images?: ReadonlyArray<string> | undefined
}): State => ({
  phase: "busy",
  editor: Editor.empty,
  mode: options?.mode ?? "default",
  plan: undefined,
  images: options?.images ?? [],
  held: [],
  isEnding: false
})

export type Event =
  | { readonly _tag: "Pressed"; readonly key: Editor.Key }
  /** A whole line, from a terminal that edits it itself, or from a pipe. */
  | { readonly _tag: "Line"; readonly text: string; readonly isShown: boolean }
  /** `waits`: whether the turn that runs may end first. */
  | { readonly _tag: "InputEnded"; readonly waits: boolean }
  /** Ctrl-C at a question. */
  | { readonly _tag: "Interrupted" }
  | { readonly _tag: "Began" }
  /** The turn was over before the text reached it. */
  | { readonly _tag: "NotSteered"; readonly text: string }
  | {
    readonly _tag: "Ended"
    readonly status: "completed" | "interrupted" | "failed"
    readonly plan: string | undefined
  }
  /** A command of the chat has ended. */
  | { readonly _tag: "Done" }
  | { readonly _tag: "ImageAdded"; readonly path: string }
  /** What was said before in a thread that goes on, the oldest first. */
  | { readonly _tag: "Remembered"; readonly texts: ReadonlyArray<string> }

/** The commands that the shell runs. */
export type Command = Exclude<CommandName, "help" | "plan" | "quit">

export type Action =
  | { readonly _tag: "Echo"; readonly text: string; readonly isSteering: boolean }
  | {
    readonly _tag: "Turn"
    readonly text: string
    readonly images: ReadonlyArray<string>
    readonly mode: State["mode"]
  }
  | { readonly _tag: "Implement"; readonly plan: string }
  | { readonly _tag: "Steer"; readonly text: string; readonly images: ReadonlyArray<string> }
  | { readonly _tag: "Interrupt" }
  | { readonly _tag: "Run"; readonly name: Exclude<Command, "implement">; readonly argument: string }
  | { readonly _tag: "Say"; readonly line: Line }
  | { readonly _tag: "Leave"; readonly code: 0 | 130 }

type Next = readonly [State, ReadonlyArray<Action>]

const say = (text: string): Action => ({ _tag: "Say", line: line(span(text, "dim")) })

export const step = (state: State, event: Event): Next => {
  switch (event._tag) {
    case "Pressed":
      return pressed(state, event.key)
    case "Line":
      return submitted(state, event.text, !event.isShown)
    case "InputEnded":
      return event.waits && state.phase !== "idle"
        ? [{ ...state, isEnding: true }, []]
        : [state, [{ _tag: "Leave", code: 0 }]]
    case "Interrupted":
      return interrupted(state)
    case "Began":
      return began(state)
    case "NotSteered":
      return state.phase === "idle"
        ? turn(state, event.text)
        : [{ ...state, held: [...state.held, event.text] }, []]
    case "Ended":
      return ended(state, event)
    case "Done":
      return afterwards({ ...state, phase: "idle" })
    case "ImageAdded":
      return [{ ...state, images: [...state.images, event.path] }, []]
    case "Remembered":
      return [{
        ...state,
        editor: { ...state.editor, history: [...event.texts, ...state.editor.history] }
      }, []]
  }
}

// =============================================================================
// Typing
// =============================================================================

const pressed = (state: State, key: Editor.Key): Next => {
  const [editor, outcome] = Editor.press(state.editor, key)
  const next = { ...state, editor }
  switch (outcome._tag) {
    case "Submitted":
      return submitted({ ...next, editor: Editor.remember(editor, outcome.text) }, outcome.text, true)
    case "Interrupt":
      return interrupted(next)
    case "End":
      return [next, [{ _tag: "Leave", code: state.phase === "idle" || state.phase === "busy" ? 0 : 130 }]]
    default:
      return [next, []]
  }
}

const isTurn = ({ phase }: State): boolean => phase === "starting" || phase === "working" || phase === "interrupting"

/** @param isRaw whether the terminal has not shown what was typed */
const submitted = (state: State, text: string, isRaw = false): Next => {
  const parsed = parse(text)
  const echo: ReadonlyArray<Action> = isRaw && parsed._tag !== "Empty"
    ? [{ _tag: "Echo", text, isSteering: isTurn(state) && parsed._tag === "Message" }]
    : []
  switch (parsed._tag) {
    case "Empty":
      return [state, []]
    case "UnknownCommand":
      return [state, [
        ...echo,
        say(`There is no /${parsed.name}. /help lists the commands; //${parsed.name} sends it as a message.`)
      ]]
    case "Command": {
      const [next, actions] = command(state, parsed.name, parsed.argument)
      return [next, [...echo, ...actions]]
    }
    case "Message": {
      const [next, actions] = message(state, parsed.text)
      return [next, [...echo, ...actions]]
    }
  }
}

const message = (state: State, text: string): Next => {
  switch (state.phase) {
    case "idle":
      return turn(state, text)
    case "working":
      return [{ ...state, images: [] }, [{ _tag: "Steer", text, images: state.images }]]
    default:
      return [{ ...state, held: [...state.held, text] }, []]
  }
}

const turn = (state: State, text: string): Next => [
  { ...state, phase: "starting", images: [] },
  [{ _tag: "Turn", text, images: state.images, mode: state.mode }]
]

// =============================================================================
// Commands
// =============================================================================

/** What waits until the agent is done. */
const later: ReadonlySet<CommandName> = new Set(["plan", "implement", "compact", "fork", "report"])

const command = (state: State, name: CommandName, argument: string): Next => {
  if (state.phase !== "idle" && later.has(name)) {
    return [state, [say(`/${name} has to wait until the agent is done. Ctrl-C interrupts it.`)]]
  }
  switch (name) {
    case "help":
      return [state, help]
    case "quit":
      return [state, [{ _tag: "Leave", code: isTurn(state) ? 130 : 0 }]]
    case "plan":
      return plan(state, argument)
    case "implement":
      return state.plan === undefined
        ? [state, [say("There is no plan yet. Ask for one with /plan and what you want.")]]
        : [{ ...state, phase: "starting", mode: "default", plan: undefined }, [
          { _tag: "Implement", plan: state.plan }
        ]]
    case "compact":
      return [{ ...state, phase: "starting" }, [{ _tag: "Run", name, argument }]]
    case "fork":
    case "report":
      return [{ ...state, phase: "busy" }, [{ _tag: "Run", name, argument }]]
    default:
      return [state, [{ _tag: "Run", name, argument }]]
  }
}

const plan = (state: State, argument: string): Next => {
  if (argument !== "") return turn({ ...state, mode: "plan" }, argument)
  const mode = state.mode === "plan" ? "default" : "plan"
  return [{ ...state, mode }, [
    say(
      mode === "plan"
        ? "Plan mode: the agent changes nothing and answers with a plan. /plan leaves the mode."
        : "No more plan mode: the agent acts again."
    )
  ]]
}

const help: ReadonlyArray<Action> = [
  ...Object.entries(commands).map(([name, what]): Action => ({
    _tag: "Say",
    line: { spans: [span(`/${name}`.padEnd(12), "cyan"), span(what)], hang: 12 }
  })),
  say("@picture.png in a message sends the image too. A line that ends with \\ goes on in the next."),
  say("While the agent works, a line that you type steers it. Ctrl-C interrupts it, and twice leaves. Ctrl-D leaves.")
]

// =============================================================================
// Turns
// =============================================================================

const interrupted = (state: State): Next => {
  switch (state.phase) {
    case "idle":
      return state.editor.text === ""
        ? [state, [{ _tag: "Leave", code: 0 }]]
        : [{ ...state, editor: Editor.clear(state.editor) }, []]
    case "starting":
    case "working":
      return [{ ...heldBack(state), phase: "interrupting" }, [
        { _tag: "Interrupt" },
        say("Interrupting the turn. Ctrl-C again leaves.")
      ]]
    default:
      return [state, [{ _tag: "Leave", code: 130 }]]
  }
}

/** What was to be sent comes back to where it was typed, unless something else is there. */
const heldBack = (state: State): State =>
  state.held.length === 0 || state.editor.text !== ""
    ? { ...state, held: [] }
    : { ...state, held: [], editor: Editor.withText(state.editor, state.held.join("\n")) }

const began = (state: State): Next => {
  if (state.phase !== "starting") return [state, []]
  const next: State = { ...state, phase: "working", held: [], images: [] }
  return state.held.length === 0 ? [{ ...next, images: state.images }, []] : [next, [
    { _tag: "Steer", text: state.held.join("\n"), images: state.images }
  ]]
}

const ended = (state: State, { plan, status }: Extract<Event, { readonly _tag: "Ended" }>): Next => {
  const next: State = { ...state, phase: "idle", plan: plan ?? state.plan }
  const told = plan === undefined || status !== "completed"
    ? []
    : [say("/implement carries the plan out. Or say what to change.")]
  const [then, actions] = afterwards(status === "failed" ? heldBack(next) : next)
  return [then, [...told, ...actions]]
}

/** What comes when nothing runs any more. */
const afterwards = (state: State): Next =>
  state.held.length > 0
    ? turn({ ...state, held: [] }, state.held.join("\n"))
    : [state, state.isEnding ? [{ _tag: "Leave", code: 0 }] : []]
