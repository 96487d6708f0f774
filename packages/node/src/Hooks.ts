/**
 * Hooks of codex that run in this program: see and veto what the agent is about to do, before and after each tool, at
 * each prompt, and when the agent starts and stops.
 *
 * codex itself runs hooks as shell commands. {@link layer} installs commands that ask this program over a unix socket,
 * for the app-server process of the client that it is provided to, and for nothing else: it changes no configuration
 * on disk.
 *
 * **Hooks or approvals?**
 *
 * codex asks for an approval only where its sandbox and its approval policy say so. A hook sees every call of a tool,
 * can change it, and can add to what the model reads; it never permits what an approval or the sandbox refuses. It
 * costs some processes per call, about 30 ms.
 *
 * A hook is no sandbox: it judges the text of a command, not what the command does, and what the agent types into a
 * terminal that a command holds open comes to no hook.
 *
 * @since 0.1.0
 */
import { provider } from "@effect-codex/client/internal/capturedServices"
import type { Services } from "@effect-codex/client/ServerRequests"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as HookCalls from "./internal/hookCalls.ts"
import { InstalledHooks } from "./internal/installedHooks.ts"

// =============================================================================
// Events
// =============================================================================

/**
 * What all events have. A field that codex does not send, or sends in a form that this version does not know, is
 * undefined; `raw` has it as it came.
 *
 * @category models
 * @since 0.1.0
 */
export interface Occasion {
  /** The thread, and for a subagent the thread that it works for. */
  readonly threadId: string
  /** The subagent that it happens in. Undefined in the thread itself. */
  readonly agent: { readonly threadId: string; readonly type: string | undefined } | undefined
  /** The working folder. */
  readonly cwd: string | undefined
  readonly model: string | undefined
  /** Everything that codex sent, under its own names. */
  readonly raw: { readonly [field: string]: unknown }
}

/**
 * A tool is about to run.
 *
 * @see {@link Handlers}
 * @category models
 * @since 0.1.0
 */
export interface PreToolUse extends Occasion {
  readonly turnId: string
  /** `Bash` for a shell command, whichever shell runs it; else the name of the tool. */
  readonly tool: string
  /** What the tool is called with. For `Bash` it is `{ command: string }`. */
  readonly input: unknown
  /** The id of the call, which is also the id of the item that it becomes. */
  readonly callId: string
}

/**
 * A tool has run.
 *
 * @see {@link Handlers}
 * @category models
 * @since 0.1.0
 */
export interface PostToolUse extends PreToolUse {
  /** What the tool gave. For `Bash` it is the text that the command wrote. */
  readonly output: unknown
}

/**
 * A prompt is about to go to the model.
 *
 * @see {@link Handlers}
 * @category models
 * @since 0.1.0
 */
export interface UserPromptSubmit extends Occasion {
  readonly turnId: string
  readonly prompt: string
}

/**
 * The agent has nothing more to do in this turn.
 *
 * @see {@link Handlers}
 * @category models
 * @since 0.1.0
 */
export interface Stop extends Occasion {
  readonly turnId: string
  /** Whether a stop hook made the agent go on before in this turn. Look at it, or the turn never ends. */
  readonly isContinued: boolean
  /** The last message of the agent. */
  readonly lastMessage: string | undefined
}

/**
 * A thread is about to have its first turn since it was started or resumed.
 *
 * @see {@link Handlers}
 * @category models
 * @since 0.1.0
 */
export interface SessionStart extends Occasion {
  readonly source: "startup" | "resume" | "clear" | "compact" | (string & {})
}

// =============================================================================
// Decisions
// =============================================================================

/**
 * Lets it happen.
 *
 * @see {@link allow}
 * @category decisions
 * @since 0.1.0
 */
export interface Allow {
  readonly _tag: "Allow"
}

/**
 * Keeps it from happening.
 *
 * @see {@link deny}
 * @category decisions
 * @since 0.1.0
 */
export interface Deny {
  readonly _tag: "Deny"
  readonly reason: string
}

/**
 * Lets it happen, and tells the model something.
 *
 * @see {@link addContext}
 * @category decisions
 * @since 0.1.0
 */
export interface AddContext {
  readonly _tag: "AddContext"
  readonly text: string
}

/**
 * Lets a tool run with another input.
 *
 * @see {@link modify}
 * @category decisions
 * @since 0.1.0
 */
export interface Modify {
  readonly _tag: "Modify"
  readonly input: unknown
}

/**
 * Shows the model another result of a tool.
 *
 * @see {@link replaceResult}
 * @category decisions
 * @since 0.1.0
 */
export interface ReplaceResult {
  readonly _tag: "ReplaceResult"
  readonly text: string
}

/**
 * Makes the agent go on.
 *
 * @see {@link goOn}
 * @category decisions
 * @since 0.1.0
 */
export interface GoOn {
  readonly _tag: "GoOn"
  readonly prompt: string
}

/**
 * Lets it happen as if there were no hook. It does not answer an approval: codex still asks for it.
 *
 * @category decisions
 * @since 0.1.0
 */
export const allow: Allow = { _tag: "Allow" }

/**
 * Keeps a tool from running, or a prompt from the model.
 *
 * **Details**
 *
 * The model reads the reason in place of the tool's result, and the turn goes on. No item tells of the call. The turn
 * of a prompt that was denied completes without any item and without a call of the model.
 *
 * @category decisions
 * @since 0.1.0
 */
export const deny = (reason: string): Deny => ({ _tag: "Deny", reason })

/**
 * Tells the model something, as a message of the developer that stays in the thread.
 *
 * **Gotchas**
 *
 * Of a text of more than about 2,500 tokens codex shows the model the beginning, and the path of a file with the rest.
 *
 * @category decisions
 * @since 0.1.0
 */
export const addContext = (text: string): AddContext => ({ _tag: "AddContext", text })

/**
 * Lets a tool run with another input, in the form that it came in. The sandbox and the approvals see the new input.
 *
 * **Gotchas**
 *
 * A `Bash` call takes `{ command: string }`; with another form it fails and nothing runs.
 *
 * @category decisions
 * @since 0.1.0
 */
export const modify = (input: unknown): Modify => ({ _tag: "Modify", input })

/**
 * Shows the model a text in place of a tool's result. The item keeps the result of the tool.
 *
 * @category decisions
 * @since 0.1.0
 */
export const replaceResult = (text: string): ReplaceResult => ({ _tag: "ReplaceResult", text })

/**
 * Makes the agent go on in the same turn, with this as the next message of the user.
 *
 * @category decisions
 * @since 0.1.0
 */
export const goOn = (prompt: string): GoOn => ({ _tag: "GoOn", prompt })

// =============================================================================
// Handlers
// =============================================================================

/**
 * What decides at each event. An event without a handler costs nothing.
 *
 * **Details**
 *
 * codex waits for the decision. Handlers run in fibers of their own, several at once when several threads or tools
 * do. A handler is interrupted at the deadline, when codex no longer waits for it because the turn was interrupted (up
 * to a second later), and with the client.
 *
 * A handler that fails, dies, takes too long or decides something that does not fit its event is reported in the log,
 * and so is an event that this version cannot read. Then a tool call or prompt is denied, unless `onFailure` says
 * otherwise, and other events go on as without a hook.
 *
 * @category handlers
 * @since 0.1.0
 */
export interface Handlers<R = never> {
  /**
   * Before a tool: a command, a tool of an MCP server or of the program, a subagent. What the model's provider
   * runs, such as the search of the web, does not come here, nor does what is typed into a command that runs already.
   */
  readonly preToolUse?:
    | ((event: PreToolUse) => Effect.Effect<Allow | Deny | AddContext | Modify, unknown, R>)
    | undefined
  /** After a tool that ran. */
  readonly postToolUse?:
    | ((event: PostToolUse) => Effect.Effect<Allow | AddContext | ReplaceResult, unknown, R>)
    | undefined
  /** Before a prompt goes to the model: the input of a turn, a steering, and what a subagent is given. */
  readonly userPromptSubmit?:
    | ((event: UserPromptSubmit) => Effect.Effect<Allow | Deny | AddContext, unknown, R>)
    | undefined
  /** When the agent of a thread is done. Subagents do not come here. */
  readonly stop?: ((event: Stop) => Effect.Effect<Allow | GoOn, unknown, R>) | undefined
  /** Before the first turn of a thread that was started or resumed. */
  readonly sessionStart?: ((event: SessionStart) => Effect.Effect<Allow | AddContext, unknown, R>) | undefined
}

/**
 * Options of {@link layer}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long a handler may take. codex sets no deadline of its own that would come first. Default: 30 seconds.
   */
  readonly timeout?: Duration.Input | undefined
  /** What becomes of a tool call or a prompt whose handler gave no decision. Default: `deny`. */
  readonly onFailure?: "deny" | "allow" | undefined
}

/**
 * Installs hooks. Provide it to `CodexNode.layer`, which then starts codex with them.
 *
 * **Details**
 *
 * codex runs hooks only when their user trusts them, and this layer states that trust for its own hooks alone. After
 * the handshake the client asks codex whether it runs them, and fails with `AppServerStartError` if it does not, for
 * example because an administrator allows only managed hooks. Hooks of the user's configuration run beside them.
 *
 * Each process of codex has a socket of its own, in a folder that only this user can open, below `XDG_RUNTIME_DIR` or
 * else the home folder, and never where the sandbox lets commands write by default. It goes with the process.
 *
 * **Gotchas**
 *
 * - It needs a unix: on Windows, and with `CodexNode.layerWebSocket` and `layerUnixSocket`, the client fails to start.
 *   `executable` must run codex on this machine, not in a container.
 * - Hooks for the same events in `configOverrides`, or in the `config` of a thread, replace these or are replaced.
 * - A program that the agent runs without a sandbox can do anything that this user can, also to the socket.
 *
 * **Example** (No command that pushes, and tests before the end)
 *
 * ```ts
 * import { CodexNode, Hooks } from "@effect-codex/node"
 * import { Effect, Layer } from "effect"
 *
 * const hooks = Hooks.layer({
 *   preToolUse: ({ input }) =>
 *     Effect.succeed(
 *       JSON.stringify(input).includes("git push") ? Hooks.deny("Do not push. Leave that to me.") : Hooks.allow
 *     ),
 *   stop: ({ isContinued }) =>
 *     Effect.succeed(isContinued ? Hooks.allow : Hooks.goOn("Run the tests before you finish."))
 * })
 *
 * export const CodexLive = CodexNode.layer().pipe(Layer.provide(hooks))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <const H extends Handlers<unknown>>(
  handlers: H,
  options?: Options
): Layer.Layer<never, never, Services<H>> =>
  Layer.effect(
    InstalledHooks,
    Effect.contextWith((context: Context.Context<Services<H>>) =>
      // The requirements of each handler are part of those of all.
      Effect.succeed(HookCalls.make(handlers as Handlers<Services<H>>, options, provider(context)))
    )
  )
