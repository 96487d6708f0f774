/** The same schema in each library: checks, an optional key, a list, a default, and a value that is made of a string. */
import * as ArkType from "@effect-codex/schema/ArkType"
import * as EffectSchema3 from "@effect-codex/schema/EffectSchema3"
import * as StandardSchema from "@effect-codex/schema/StandardSchema"
import * as Valibot from "@effect-codex/schema/Valibot"
import * as Zod from "@effect-codex/schema/Zod"
import * as Schema from "@effect/schema/Schema"
import { toStandardJsonSchema } from "@valibot/to-json-schema"
import { type } from "arktype"
import * as v from "valibot"
import * as z from "zod"
import * as mini from "zod/mini"

const isNoTest = /^(?!.*\.test\.ts$).+$/

const noTest = (file: string) => !file.endsWith(".test.ts")

const Link = Schema.transform(Schema.String, Schema.instanceOf(URL), {
  strict: true,
  decode: (url) => new URL(url),
  encode: String
})

const ofZod = z.object({
  file: z.string().min(1).refine(noTest),
  line: z.int().optional(),
  severity: z.enum(["low", "high"]).default("low"),
  links: z.array(z.object({ url: z.string().transform((url) => new URL(url)) }))
})

export const finding = {
  EffectSchema3: EffectSchema3.output(Schema.Struct({
    file: Schema.String.pipe(Schema.minLength(1), Schema.filter(noTest, { jsonSchema: {} })),
    line: Schema.optional(Schema.Int),
    severity: Schema.optionalWith(Schema.Literal("low", "high"), { default: () => "low" as const }),
    links: Schema.Array(Schema.Struct({ url: Link }))
  })),
  Zod: Zod.output(ofZod),
  "zod/mini": Zod.output(mini.object({
    file: mini.string().check(mini.minLength(1), mini.refine(noTest)),
    line: mini.optional(mini.int()),
    severity: mini._default(mini.enum(["low", "high"]), "low"),
    links: mini.array(mini.object({ url: mini.pipe(mini.string(), mini.transform((url: string) => new URL(url))) }))
  })),
  Valibot: Valibot.output(v.object({
    file: v.pipe(v.string(), v.minLength(1), v.check(noTest)),
    line: v.optional(v.pipe(v.number(), v.integer())),
    severity: v.optional(v.picklist(["low", "high"]), "low"),
    links: v.array(v.object({ url: v.pipe(v.string(), v.transform((url) => new URL(url)), v.instance(URL)) }))
  })),
  ArkType: ArkType.output(type({
    file: type("string > 0").narrow(noTest),
    "line?": "number.integer",
    severity: "'low' | 'high' = 'low'",
    links: type({ url: "string.url.parse" }).array()
  })),
  "StandardSchema of zod": StandardSchema.output(ofZod),
  // JSON Schema has no words for a check of one's own: these two are not asked for more than it can say.
  "StandardSchema of valibot": StandardSchema.output(toStandardJsonSchema(v.object({
    file: v.pipe(v.string(), v.minLength(1), v.regex(isNoTest)),
    line: v.optional(v.pipe(v.number(), v.integer())),
    severity: v.optional(v.picklist(["low", "high"]), "low"),
    links: v.array(v.object({ url: v.pipe(v.string(), v.transform((url) => new URL(url))) }))
  }))),
  "StandardSchema of ArkType": StandardSchema.output(type({
    file: isNoTest,
    "line?": "number.integer",
    severity: "'low' | 'high' = 'low'",
    links: type({ url: "string.url.parse" }).array()
  }))
}
