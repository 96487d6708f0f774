/** The answer to `--output-schema`: one JSON value. codex holds the model to the schema; not every provider does. */
import { beginning } from "@effect-codex/client/internal/text/visibleText"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

export class NotJson extends Data.TaggedError("NotJson")<{ readonly text: string }> {
  override get message(): string {
    return this.text === ""
      ? "The turn ended without an answer, and --output-schema asks for JSON."
      : `The answer is not JSON, as --output-schema asks: ${JSON.stringify(beginning(this.text, 200))}. ` +
        "The provider of the model may not support schemas."
  }
}

/** The JSON as the model wrote it, so that no number loses digits. Models without strict mode put it into a fence. */
export const of = (answer: Option.Option<string>): Effect.Effect<string, NotJson> =>
  Effect.suspend(() => {
    const text = Option.getOrElse(answer, () => "").trim()
    const json = /^```[a-z]*\n(?<json>[^]*)\n```$/i.exec(text)?.groups?.["json"] ?? text
    try {
      JSON.parse(json)
      return Effect.succeed(json)
    } catch {
      return Effect.fail(new NotJson({ text }))
    }
  })
