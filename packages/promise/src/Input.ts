/**
 * The input of a turn: text, or a list of text, images, audio, skills and mentions.
 *
 * @since 0.1.0
 */
export {
  audio,
  image,
  type Input,
  type InputItem,
  localAudio,
  localImage,
  mention,
  skill,
  text
} from "@effect-codex/client/Input"
