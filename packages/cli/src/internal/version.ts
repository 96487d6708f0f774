import * as Schema from "effect/Schema"
import { createRequire } from "node:module"

const { version } = Schema.decodeUnknownSync(Schema.Struct({ version: Schema.String }))(
  createRequire(import.meta.url)("../../package.json")
)

export { version }
