/** What `DynamicTools` infers, and what it refuses. Checked by `npm run check`; nothing here runs. */
import type { CodexError } from "@effect-codex/client"
import { Codex, DynamicTools, type Output, ServerRequests } from "@effect-codex/client"
import { Context, Effect, Schema } from "effect"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const holds = <_ extends true>(): void => {}

class Tickets extends Context.Service<Tickets, { readonly find: (id: string) => Effect.Effect<string, Error> }>()(
  "Tickets"
) {}
class Clock extends Context.Service<Clock, { readonly now: Effect.Effect<Date> }>()("Clock") {}
class Key extends Context.Service<Key, string>()("Key") {}
class Ticket extends Schema.Class<Ticket>("Ticket")({ id: Schema.String, due: Schema.Date }) {}

const input = Schema.Struct({ id: Schema.String, at: Schema.optionalKey(Schema.Date) })

const lookup = DynamicTools.tool("lookup", {
  description: "d",
  input,
  handler: (given, call) => {
    holds<Equal<typeof given, { readonly id: string; readonly at?: Date }>>()
    holds<Equal<typeof call, DynamicTools.Call>>()
    return Effect.flatMap(Tickets, (tickets) => tickets.find(given.id))
  }
})
holds<Equal<typeof lookup, DynamicTools.Tool<Tickets>>>()

const postpone = DynamicTools.tool("postpone", {
  description: "d",
  input: Ticket,
  output: Ticket,
  handler: Effect.fnUntraced(function*(ticket) {
    const clock = yield* Clock
    return new Ticket({ id: ticket.id, due: yield* clock.now })
  })
})
holds<Equal<typeof postpone, DynamicTools.Tool<Clock>>>()

// What a schema needs to decode the input and to encode the output is needed too; the other ways are not.
declare const sealed: Schema.Codec<{ readonly a: number }, { readonly a: string }, Key, Clock>
const opened = DynamicTools.tool("open", {
  description: "d",
  input: sealed,
  handler: ({ a }) => Effect.succeed(`${a}`)
})
holds<Equal<typeof opened, DynamicTools.Tool<Key>>>()
const closed = DynamicTools.tool("close", {
  description: "d",
  input,
  output: sealed,
  handler: () => Effect.succeed({ a: 1 })
})
holds<Equal<typeof closed, DynamicTools.Tool<Clock>>>()

// Schemas of other libraries.
declare const standard: Output.StandardOutput<{ readonly n: number }>
void DynamicTools.tool("standard", {
  description: "d",
  input: standard,
  handler: (given) => {
    holds<Equal<typeof given, { readonly n: number }>>()
    return Effect.succeed("")
  }
})
const counted = DynamicTools.tool("counted", {
  description: "d",
  input: {
    jsonSchema: { type: "object", properties: { n: { type: "integer" } } },
    decode: (value) => typeof value === "object" ? { ok: true, value: 1 } : { ok: false, issue: "no object" }
  },
  handler: (given) => {
    holds<Equal<typeof given, number>>()
    return Effect.map(Key, (key) => `${key}${given}`)
  }
})
holds<Equal<typeof counted, DynamicTools.Tool<Key>>>()

const bare = DynamicTools.tool("bare", {
  description: "d",
  handler: (given) => {
    holds<Equal<typeof given, void>>()
    return Effect.map(Key, (key) => `${key}`)
  }
})
holds<Equal<typeof bare, DynamicTools.Tool<Key>>>()

const plain = DynamicTools.tool("plain", {
  description: "d",
  input,
  handler: () => Effect.succeed(["text", DynamicTools.image("data:,x")])
})
holds<Equal<typeof plain, DynamicTools.Tool>>()

const group = DynamicTools.namespace("group", "d", [lookup, postpone])
holds<Equal<typeof group, DynamicTools.Namespace<Tickets | Clock>>>()

const all = DynamicTools.make(plain, [opened, group])
holds<
  Equal<typeof all, Effect.Effect<DynamicTools.DynamicTools, CodexError.InvalidArgument, Key | Tickets | Clock>>
>()
const none = DynamicTools.make()
holds<Equal<typeof none, Effect.Effect<DynamicTools.DynamicTools, CodexError.InvalidArgument>>>()

// A list of tools that is put together by a program.
const list: ReadonlyArray<DynamicTools.Tool<Tickets> | DynamicTools.Namespace<Tickets>> = [lookup, plain]
const listed = DynamicTools.make(...list)
holds<Equal<Effect.Services<typeof listed>, Tickets>>()

void DynamicTools.tool("bad", {
  description: "d",
  input,
  // @ts-expect-error a result that is no content, without `output`
  handler: () => Effect.succeed({ n: 1 })
})
void DynamicTools.tool("bad", {
  description: "d",
  input,
  output: Ticket,
  // @ts-expect-error not what `output` says
  handler: () => Effect.succeed("text")
})
// @ts-expect-error a description is needed
void DynamicTools.tool("bad", { input, handler: () => Effect.succeed("") })
// @ts-expect-error a namespace has no namespaces
void DynamicTools.namespace("bad", "d", [group])

declare const tools: DynamicTools.DynamicTools
export const threads = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread({ tools })
  yield* codex.resumeThread(thread.id, { tools })
  yield* codex.forkThread(thread.id, { tools })
  yield* thread.fork({ tools })
  // @ts-expect-error tools have to be made with their services first
  yield* codex.startThread({ tools: [lookup] })
})
export const ofClient = ServerRequests.layer({ "item/tool/call": tools.handler() })
