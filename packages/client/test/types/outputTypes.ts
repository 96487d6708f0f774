/** What is inferred of an `Output`, and what is refused. Checked by `npm run check`; nothing here runs. */
import type { CodexError } from "@effect-codex/client"
import type { Context } from "effect"
import { Effect, Schema } from "effect"
import * as Output from "../../src/internal/schemas/output.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const holds = <_ extends true>(): void => {}

type Answer<T> = T extends Effect.Effect<Output.Prepared<infer A>, CodexError.InvalidArgument> ? A : never

class Person extends Schema.Class<Person>("Person")({ name: Schema.String }) {}

const ofClass = Output.prepare(Person)
holds<Equal<Answer<typeof ofClass>, Person>>()

const ofTransformation = Output.prepare(Schema.Struct({
  at: Schema.Date,
  id: Schema.String.pipe(Schema.brand("Id")),
  note: Schema.OptionFromOptionalKey(Schema.String).pipe(Schema.withConstructorDefault(Effect.succeedNone))
}))
holds<Equal<Answer<typeof ofTransformation>["at"], Date>>()

const ofList = Output.prepare(Schema.Array(Person))
holds<Equal<Answer<typeof ofList>, ReadonlyArray<Person>>>()

const ofUnion = Output.prepare(Schema.Union([Schema.Literal("a"), Schema.Null]))
holds<Equal<Answer<typeof ofUnion>, "a" | null>>()

// An Effect Schema that is a Standard Schema as well is still one answer.
const ofBoth = Output.prepare(Schema.toStandardSchemaV1(Schema.toStandardJSONSchemaV1(Person)))
holds<Equal<Answer<typeof ofBoth>, Person>>()

// The shape of the interfaces that zod and ArkType publish.
interface Foreign<I, O> {
  readonly parse: (value: unknown) => O
  readonly decode: (value: I) => O
  readonly "~standard": {
    readonly version: 1
    readonly vendor: string
    readonly types?: { readonly input: I; readonly output: O } | undefined
    readonly validate: (
      value: unknown
    ) =>
      | { readonly value: O; readonly issues?: undefined }
      | { readonly issues: ReadonlyArray<{ readonly message: string }> }
      | Promise<{ readonly value: O; readonly issues?: undefined }>
    readonly jsonSchema: {
      readonly input: (options: { readonly target: string }) => Record<string, unknown>
      readonly output: (options: { readonly target: string }) => Record<string, unknown>
    }
  }
}
declare const foreign: Foreign<{ readonly a: string }, { readonly a: number }>
const ofForeign = Output.prepare(foreign)
holds<Equal<Answer<typeof ofForeign>, { readonly a: number }>>()

const ofDecoder = Output.prepare({
  jsonSchema: { type: "string" },
  decode: (value) => typeof value === "string" ? { ok: true, value } : { ok: false, issue: "expected a string" }
})
holds<Equal<Answer<typeof ofDecoder>, string>>()

declare const service: Schema.Codec<string, string, Context.Service<"needed", number>>
// @ts-expect-error a schema that needs a service
void Output.prepare(service)
// @ts-expect-error a Standard Schema without a JSON Schema
void Output.prepare({ "~standard": { version: 1, vendor: "none", validate: (value: unknown) => ({ value }) } })
// @ts-expect-error a decoder without a JSON Schema
void Output.prepare({ decode: (value: unknown) => ({ ok: true, value }) })
// @ts-expect-error a bare JSON Schema: without a decoder the answer has no type
void Output.prepare({ type: "object" })

holds<Equal<ReturnType<Output.Prepared<number>["decode"]>, Effect.Effect<number, string>>>()
