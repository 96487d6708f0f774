/** The input of a turn as it is sent between machines. */
import type * as Input from "@effect-codex/client/Input"
import * as Schema from "effect/Schema"

const detail = Schema.optionalKey(Schema.Literals(["auto", "low", "high", "original"]))
const type = <const T extends string>(type: T) => ({ type: Schema.Literal(type) })

const Item: Schema.Codec<Input.InputItem> = Schema.Union([
  Schema.Struct({
    ...type("text"),
    text: Schema.String,
    text_elements: Schema.Array(Schema.Struct({
      byteRange: Schema.Struct({ start: Schema.Finite, end: Schema.Finite }),
      placeholder: Schema.NullOr(Schema.String)
    }))
  }),
  Schema.Struct({ ...type("image"), detail, url: Schema.String }),
  Schema.Struct({ ...type("image"), detail, fileId: Schema.String }),
  Schema.Struct({ ...type("localImage"), detail, path: Schema.String }),
  Schema.Struct({ ...type("audio"), url: Schema.String }),
  Schema.Struct({ ...type("audio"), fileId: Schema.String }),
  Schema.Struct({ ...type("localAudio"), path: Schema.String }),
  Schema.Struct({ ...type("skill"), name: Schema.String, path: Schema.String }),
  Schema.Struct({ ...type("mention"), name: Schema.String, path: Schema.String })
])

export const Any: Schema.Codec<Input.Input> = Schema.Union([
  Schema.String,
  Item,
  Schema.Array(Schema.Union([Schema.String, Item]))
])

/** As it is sent: Effect's binary codec refuses a union with two members of one `type`, as those of an image are. */
export const Sent = Schema.fromJsonString(Any)
