/** The input of a turn as the protocol has it: a list of items, of which a string is one of text. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { InvalidArgument } from "../CodexError.ts"
import type { Input, InputItem } from "../Input.ts"
import { text } from "../Input.ts"

const accepted = "a string, an item made by the constructors of Input, or an array of these"

const isList = (input: Input): input is ReadonlyArray<string | InputItem> => Array.isArray(input)

export const toWire = (input: Input): Effect.Effect<Array<InputItem>, InvalidArgument> =>
  Effect.forEach(isList(input) ? input : [input], (item) => {
    if (typeof item === "string") return Effect.succeed(text(item))
    if (!Predicate.hasProperty(item, "type")) {
      return Effect.fail(new InvalidArgument({ argument: "input", detail: `expected ${accepted}.` }))
    }
    return "url" in item && /^https?:/i.test(item.url)
      ? Effect.fail(
        new InvalidArgument({
          argument: "input",
          detail: `codex takes no ${item.type} by address; read it and give it as a data URL, or as a local file.`
        })
      )
      : Effect.succeed(item)
  })
