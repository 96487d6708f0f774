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
 * @category constructors
 * @since 0.1.0
 */
export const text = (text: string): InputItem => ({ type: "text", text, text_elements: [] })

/**
 * An image as a data URL. The server takes no others (measured).
 *
 * @category constructors
 * @since 0.1.0
 */
export const image = (dataUrl: string): InputItem => ({ type: "image", url: dataUrl })

/**
 * An image file that the server reads.
 *
 * @category constructors
 * @since 0.1.0
 */
export const localImage = (path: string): InputItem => ({ type: "localImage", path })

/**
 * Sound as a data URL.
 *
 * @category constructors
 * @since 0.1.0
 */
export const audio = (dataUrl: string): InputItem => ({ type: "audio", url: dataUrl })

/**
 * A sound file that the server reads.
 *
 * @category constructors
 * @since 0.1.0
 */
export const localAudio = (path: string): InputItem => ({ type: "localAudio", path })

/**
 * A skill, by its name and the path of its file.
 *
 * @category constructors
 * @since 0.1.0
 */
export const skill = (name: string, path: string): InputItem => ({ type: "skill", name, path })

/**
 * A mention of a file, an app or a plugin.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mention = (name: string, path: string): InputItem => ({ type: "mention", name, path })
