/**
 * What a user says to the agent: text, or several pieces of which one may be text.
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
