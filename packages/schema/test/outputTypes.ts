/** What is inferred of each library's schemas. Checked by `npm run check`; nothing here runs. */
import { DynamicTools, type Output as Client } from "@effect-codex/client"
import * as ArkType from "@effect-codex/schema/ArkType"
import * as EffectSchema3 from "@effect-codex/schema/EffectSchema3"
import type { Output } from "@effect-codex/schema/Output"
import * as StandardSchema from "@effect-codex/schema/StandardSchema"
import * as Valibot from "@effect-codex/schema/Valibot"
import * as Zod from "@effect-codex/schema/Zod"
import * as Schema from "@effect/schema/Schema"
import { toStandardJsonSchema } from "@valibot/to-json-schema"
import { type } from "arktype"
import * as v from "valibot"
import * as z from "zod"
import * as mini from "zod/mini"
import type { finding } from "./support/finding.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const holds = <_ extends true>(): void => {}

class Person extends Schema.Class<Person>("Person")({ name: Schema.String }) {}
const person = EffectSchema3.output(Person)
holds<Equal<typeof person, Output<Person>>>()
const length = EffectSchema3.output(Schema.transform(Schema.String, Schema.Number, {
  decode: (text) => text.length,
  encode: String
}))
holds<Equal<typeof length, Output<number>>>()

const zod = Zod.output(z.array(z.string().transform((text) => text.length)))
holds<Equal<typeof zod, Output<Array<number>>>>()
const zodMini = Zod.output(mini.object({ a: mini.optional(mini.string()) }))
holds<Equal<typeof zodMini, Output<{ a?: string | undefined }>>>()
const valibot = Valibot.output(v.pipe(v.string(), v.transform((text) => text.length)))
holds<Equal<typeof valibot, Output<number>>>()
const arkType = ArkType.output(type("string.numeric.parse | boolean").array())
holds<Equal<typeof arkType, Output<Array<number | boolean>>>>()

const standardZod = StandardSchema.output(z.array(z.string().transform((text) => text.length)))
holds<Equal<typeof standardZod, Output<Array<number>>>>()
const standardValibot = StandardSchema.output(
  toStandardJsonSchema(v.pipe(v.string(), v.transform((text) => text.length)))
)
holds<Equal<typeof standardValibot, Output<number>>>()
const standardArkType = StandardSchema.output(type("string.numeric.parse | boolean").array())
holds<Equal<typeof standardArkType, Output<Array<number | boolean>>>>()

// All of them are outputs of the client, and inputs of its tools.
type Answer<T> = T extends Client.Output<infer A> ? A : never
holds<Equal<Answer<typeof person>, Person>>()
holds<Equal<Answer<typeof finding.Zod>["severity"], "low" | "high">>()
holds<Equal<Answer<typeof finding["zod/mini"]>["severity"], "low" | "high">>()
holds<Equal<Answer<typeof finding.Valibot>["severity"], "low" | "high">>()
holds<Equal<Answer<typeof finding.ArkType>["severity"], "low" | "high">>()
holds<Equal<Answer<typeof finding.EffectSchema3>["severity"], "low" | "high">>()
declare const done: ReturnType<DynamicTools.ToolOptions<typeof zod, never, never, never>["handler"]>
const sum = DynamicTools.tool("sum", {
  description: "d",
  input: zod,
  handler: (given) => {
    holds<Equal<typeof given, Array<number>>>()
    return done
  }
})
holds<Equal<typeof sum, DynamicTools.Tool>>()

declare const requiring: Schema.Schema<string, string, "service">
// @ts-expect-error a schema that needs services
void EffectSchema3.output(requiring)
// @ts-expect-error an asynchronous schema
void Valibot.output(v.pipeAsync(v.string(), v.checkAsync(() => Promise.resolve(true))))
// @ts-expect-error a Standard Schema without JSON Schema
void StandardSchema.output(v.string())
// @ts-expect-error no schema of this library
void Zod.output(Schema.String)
