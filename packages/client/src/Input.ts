/**
 * What a user says to the agent: text, or several pieces of which one may be text.
 *
 * @since 0.1.0
 */
import type * as Sent from "./Sent.ts"

/**
 * One piece of an input, as the protocol has it; see {@link text}, {@link image}, {@link localImage}, {@link audio},
 * {@link localAudio}, {@link skill} and {@link mention}.
 *
 * @category models
 * @since 0.1.0
 */
export type InputItem = Sent.UserInput

/**
 * The input of a turn. A string stands for one piece of text.
 *
 * **Example** (Text with a picture)
 *
 * ```ts
 * import { Input } from "@effect-codex/client"
 *
 * export const input: Input.Input = ["What is wrong here?", Input.localImage("/tmp/screenshot.png")]
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type Input = string | InputItem | ReadonlyArray<string | InputItem>

/**
 * A text, as an item. A plain string means the same.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (text: string): InputItem => ({ type: "text", text, text_elements: [] })

/**
 * An image as a data URL of a PNG, JPEG, GIF or WebP in base64. Everything else is `InvalidArgument`: codex would hand an
 * address or a path to the model, which would refuse this request and every later one of the thread (measured).
 *
 * @category constructors
 * @since 0.1.0
 */
export const image = (dataUrl: string): InputItem => ({ type: "image", url: dataUrl })

/**
 * An image file that the server reads: a PNG, JPEG, GIF or WebP, whatever its name. codex looks for a relative path in its own
 * working directory, not in that of the thread. Where the server is ours, as with `CodexNode.layer`, the file is looked at
 * first, and one that is missing or no image is `InvalidArgument`; elsewhere codex tells the model alone (measured).
 *
 * @category constructors
 * @since 0.1.0
 */
export const localImage = (path: string): InputItem => ({ type: "localImage", path })

/**
 * Sound as a data URL of wav, mp3, m4a, webm or ogg in base64; everything else is `InvalidArgument`. A model that does not hear
 * is told that something was left out (measured).
 *
 * @category constructors
 * @since 0.1.0
 */
export const audio = (dataUrl: string): InputItem => ({ type: "audio", url: dataUrl })

/**
 * A sound file that the server reads, by its name wav, mp3, m4a, webm or ogg. It is looked at first as {@link localImage} is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const localAudio = (path: string): InputItem => ({ type: "localAudio", path })

/**
 * A skill, by its name and the path of its file, which has to exist where the server is ours. The model is given nothing of a
 * skill that codex has not found itself (measured).
 *
 * @category constructors
 * @since 0.1.0
 */
export const skill = (name: string, path: string): InputItem => ({ type: "skill", name, path })

/**
 * A mention of a file, an app or a plugin. An absolute path has to exist where the server is ours.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mention = (name: string, path: string): InputItem => ({ type: "mention", name, path })
