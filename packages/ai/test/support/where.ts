/** A toolkit for chats that go on in another process. */
import { Schema } from "effect"
import { Tool, Toolkit } from "effect/ai"

export const Where = Toolkit.make(Tool.make("Where", { success: Schema.String }))
