/**
 * The input of a turn: text, images, sound, skills and mentions.
 *
 * @since 0.1.0
 */
import type * as Sent from "./Sent.ts"

/**
 * One item of an input, as in the protocol.
 *
 * @see {@link text}
 * @see {@link image}
 * @see {@link localImage}
 * @see {@link audio}
 * @see {@link localAudio}
 * @see {@link skill}
 * @see {@link mention}
 * @category models
 * @since 0.1.0
 */
export type InputItem = Sent.UserInput

/**
 * The input of a turn: one item, or a list of items. A string stands for a text item.
 *
 * **Example** (Text with a picture)
 *
 * ```ts
 * import { Input } from "@effect-codex/client"
 *
 * export const input: Input.Input = ["What is wrong here?", Input.localImage("/tmp/screenshot.png")]
 * ```
 *
 * @see {@link InputItem}
 * @category models
 * @since 0.1.0
 */
export type Input = string | InputItem | ReadonlyArray<string | InputItem>

/**
 * A text item. A plain string means the same.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (text: string): InputItem => ({ type: "text", text, text_elements: [] })

/**
 * An image as a data URL: a PNG, JPEG, GIF or WebP in base64.
 *
 * **Gotchas**
 *
 * Anything else fails with `InvalidArgument`. codex would pass an address or a path to the model, which would refuse
 * this request and every later request of the thread.
 *
 * @see {@link localImage} for a file
 * @category constructors
 * @since 0.1.0
 */
export const image = (dataUrl: string): InputItem => ({ type: "image", url: dataUrl })

/**
 * An image file that the server reads: a PNG, JPEG, GIF or WebP, whatever its name.
 *
 * **Details**
 *
 * codex resolves a relative path from its own working directory, not from the thread's. If this program started the
 * server, as with `CodexNode.layer`, the client checks the file first: a file that is missing or not an image fails
 * with `InvalidArgument`. Otherwise codex reports the problem only to the model.
 *
 * @see {@link image} for a data URL
 * @category constructors
 * @since 0.1.0
 */
export const localImage = (path: string): InputItem => ({ type: "localImage", path })

/**
 * Sound as a data URL: wav, mp3, m4a, webm or ogg in base64.
 *
 * **Gotchas**
 *
 * Anything else fails with `InvalidArgument`. A model without hearing learns only that something was left out.
 *
 * @see {@link localAudio} for a file
 * @category constructors
 * @since 0.1.0
 */
export const audio = (dataUrl: string): InputItem => ({ type: "audio", url: dataUrl })

/**
 * A sound file that the server reads: wav, mp3, m4a, webm or ogg, according to its name. The client checks the file
 * as for {@link localImage}.
 *
 * @see {@link audio} for a data URL
 * @category constructors
 * @since 0.1.0
 */
export const localAudio = (path: string): InputItem => ({ type: "localAudio", path })

/**
 * A skill, by its name and the path of its file.
 *
 * **Gotchas**
 *
 * If this program started the server, the file must exist (`InvalidArgument`). The model gets nothing from a skill
 * that codex has not found itself.
 *
 * @category constructors
 * @since 0.1.0
 */
export const skill = (name: string, path: string): InputItem => ({ type: "skill", name, path })

/**
 * A mention of a file, an app or a plugin. If this program started the server, an absolute path must exist
 * (`InvalidArgument`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const mention = (name: string, path: string): InputItem => ({ type: "mention", name, path })
