/**
 * That nothing of the Effect face is missing here, and that each member gives what its counterpart gives. Checked by
 * `npm run check`; nothing here runs.
 */
import type * as Client from "@effect-codex/client"
import type { CodexNode } from "@effect-codex/node"
import type * as Public from "@effect-codex/promise"
import type {
  Answer,
  Auth,
  ChatgptLogin,
  Checkpoint,
  Checkpoints,
  Codex,
  CodexOptions,
  Configuration,
  ConfigurationSnapshot,
  ConfigurationWritten,
  DeviceCodeLogin,
  Extensions,
  FileInfo,
  FileSearch,
  Goal,
  HostTools,
  Implementation,
  McpLogin,
  Page,
  PendingLogin,
  Process,
  Queue,
  Readable,
  Rewound,
  Subagent,
  SubagentNode,
  Thread,
  ThreadSearchEvent,
  Turn,
  TurnResult,
  TurnUsage,
  UnixSocketConnection,
  WebSocketConnection,
  Workspace
} from "@effect-codex/promise"
import type { DateTime, Duration, Effect, Layer, Option, Redacted, Schema, Stream } from "effect"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const holds = <_ extends true>(): void => {}
const none = <_ extends never>(): void => {}

/** What becomes of each kind of value. */
type Plain<T> = [T] extends [Option.Option<infer A>] ? Plain<A> | undefined
  : [T] extends [Duration.Duration] ? number
  : [T] extends [DateTime.Utc] ? Date
  : [T] extends [Client.Thread.Thread] ? Thread
  : [T] extends [Client.Turn.Turn] ? Turn
  : [T] extends [Client.TurnResult.TurnResult<infer A>] ? TurnResult<A>
  : [T] extends [Client.Subagent.Subagent] ? Subagent
  : [T] extends [ReadonlyArray<Client.Subagent.SubagentNode>] ? ReadonlyArray<SubagentNode>
  : [T] extends [Client.Goal.Goal] ? Goal
  : [T] extends [Client.Plan.Implementation<infer A>] ? Implementation<A>
  : [T] extends [Client.Thread.Answer] ? Answer
  : [T] extends [Client.Queue.Queue] ? Queue
  : [T] extends [Client.Codex.Page<infer A>] ? Page<A>
  : [T] extends [Client.Codex.ThreadSearchEvent] ? ThreadSearchEvent
  : [T] extends [Client.Configuration.Snapshot] ? ConfigurationSnapshot
  : [T] extends [Client.Configuration.Written] ? ConfigurationWritten
  : [T] extends [ReadonlyArray<Client.Checkpoints.Checkpoint>] ? ReadonlyArray<Checkpoint>
  : [T] extends [Client.Checkpoints.Rewound] ? Rewound
  : [T] extends [Client.Workspace.FileInfo] ? FileInfo
  : [T] extends [Client.Workspace.Process] ? Process
  : [T] extends [Client.Workspace.FileSearch] ? FileSearch
  : [T] extends [Client.Extensions.McpLogin] ? McpLogin
  : [T] extends [Client.Auth.ChatgptLogin] ? ChatgptLogin
  : [T] extends [Client.Auth.DeviceCodeLogin] ? DeviceCodeLogin
  : T

/** What a member gives: a promise of a value, or something to read. */
type Gives<M> = M extends Effect.Effect<infer A, infer _E, infer _R> ? Promise<Plain<A>>
  : M extends Stream.Stream<infer A, infer _E, infer _R> ? Readable<Plain<A>>
  : M extends (...args: never) => infer Result ? Gives<Result>
  : Plain<M>

type GivesHere<M> = M extends (...args: never) => infer Result ? Result : M

/** The members that give something else than their counterparts. */
type Different<Theirs, Ours> = {
  [K in keyof Theirs]: K extends keyof Ours ? Equal<Gives<Theirs[K]>, GivesHere<Ours[K]>> extends true ? never : K : K
}[keyof Theirs]

type Args<M> = M extends (...args: infer P) => unknown ? Required<P> : []

type KeysOf<T> = T extends string | ReadonlyArray<unknown> | Redacted.Redacted<unknown> ? never : keyof NonNullable<T>

/** The options that a member does not take here. */
type MissingOptions<Theirs, Ours> = {
  [K in keyof Theirs & keyof Ours]: {
    [I in keyof Args<Theirs[K]> & keyof Args<Ours[K]>]: Exclude<KeysOf<Args<Theirs[K]>[I]>, KeysOf<Args<Ours[K]>[I]>>
  }[keyof Args<Theirs[K]> & keyof Args<Ours[K]> & `${number}`]
}[keyof Theirs & keyof Ours]

type ClientCodex = Client.Codex.Codex["Service"]
type ClientAuth = Client.Auth.Auth["Service"]

// With a lazy start it is not known before the first call.
none<Exclude<Different<ClientCodex, Codex>, "serverInfo">>()
holds<Equal<Awaited<ReturnType<Codex["serverInfo"]>>, ClientCodex["serverInfo"]>>()
none<Different<Client.Thread.Thread, Thread>>()
none<Different<Client.Turn.Turn, Turn>>()
// The tree has the same names as values.
none<Exclude<Different<Client.Subagent.Subagent, Subagent>, "nickname" | "path" | "prompt" | "role">>()
none<Different<Client.Queue.Queue, Queue>>()
none<Different<ClientAuth, Auth>>()
none<Different<Client.Configuration.Configuration["Service"], Configuration>>()
// A function takes the place of the effect.
none<Exclude<Different<Client.Checkpoints.Checkpoints["Service"], Checkpoints>, "track">>()
holds<Equal<Fields<Client.Checkpoints.Checkpoint>, Fields<Checkpoint>>>()
none<Different<Client.Workspace.Workspace["Service"], Workspace>>()
// `write` and `closeStdin` take the place of the sink.
none<Exclude<Different<Client.Workspace.Process, Process>, "stdin">>()
none<Different<Client.Workspace.FileSearch, FileSearch>>()
none<Different<Client.Auth.PendingLogin, PendingLogin>>()
// Roots are closed instead of a scope, and an iterable yields values.
none<Exclude<Different<Client.Extensions.Extensions["Service"], Extensions>, "addSkillRoots" | "skillChanges">>()
none<Different<Client.Extensions.McpLogin, McpLogin>>()

none<MissingOptions<ClientCodex, Codex>>()
none<MissingOptions<Client.Thread.Thread, Thread>>()
none<MissingOptions<Client.Turn.Turn, Turn>>()
none<MissingOptions<Client.Subagent.Subagent, Subagent>>()
none<MissingOptions<Client.Queue.Queue, Queue>>()
none<MissingOptions<ClientAuth, Auth>>()
none<MissingOptions<Client.Configuration.Configuration["Service"], Configuration>>()
none<MissingOptions<Client.Checkpoints.Checkpoints["Service"], Checkpoints>>()
none<MissingOptions<Client.Workspace.Workspace["Service"], Workspace>>()
none<MissingOptions<Client.Extensions.Extensions["Service"], Extensions>>()

type Fields<T> = { readonly [K in keyof T]: Plain<T[K]> }
holds<Equal<Fields<Client.Goal.Goal>, Fields<Goal>>>()
holds<Equal<Fields<Client.Subagent.SubagentNode>, Fields<SubagentNode>>>()
holds<Equal<keyof Client.TurnResult.TurnResult, keyof TurnResult>>()
holds<Equal<keyof Client.TurnResult.TurnUsage, keyof TurnUsage>>()

none<Exclude<keyof CodexNode.Options, keyof CodexOptions>>()
none<Exclude<keyof CodexNode.WebSocketOptions, keyof CodexOptions | keyof WebSocketConnection | "description">>()
none<Exclude<keyof CodexNode.UnixSocketOptions, keyof CodexOptions | keyof UnixSocketConnection | "path">>()

declare const thread: Thread
declare const schema: Schema.Codec<{ readonly n: number }>

const typed = thread.run("go", { output: schema, repair: 1, signal: AbortSignal.timeout(1000) })
holds<Equal<Awaited<typeof typed>["output"], { readonly n: number }>>()
const plain = thread.run("go")
holds<Equal<Awaited<typeof plain>["finalResponse"], string | undefined>>()
holds<Equal<Awaited<typeof plain>["output"], undefined>>()

// Literals need no `as const` in an async function.
void thread.run("go", { handlers: { approvals: { command: async () => "decline" } } })
// @ts-expect-error no such decision
void thread.run("go", { handlers: { approvals: { command: async () => "perhaps" } } })
// @ts-expect-error a raw string is no sandbox
void thread.run("go", { sandbox: "read-only" })
// @ts-expect-error a misspelt option
void thread.run("go", { modle: "another-model" })
// @ts-expect-error no length of time
void thread.run("go", { stallTimeout: "soon" })

// Nothing that is told, given or taken here is a data type of Effect: no member, no argument, no result. There are two
// exceptions, which the documentation names: the schema of an output or of a tool's input, and the errors, which are the
// classes of the Effect face; `partialResult` translates what they hold.

type EffectData =
  | Effect.Effect<unknown, unknown, unknown>
  | Stream.Stream<unknown, unknown, unknown>
  | Option.Option<unknown>
  | Duration.Duration
  | DateTime.DateTime
  | Redacted.Redacted<unknown>
  | Layer.Layer<never, unknown, unknown>

type Leaf = string | number | bigint | boolean | symbol | null | undefined | Date | AbortSignal | Uint8Array

type Deeper = [never, 0, 1, 2, 3, 4, 5, 6]

/** Each is looked at by itself. */
type Handle = Codex | Auth | Extensions | HostTools | Thread | Turn | PendingLogin | McpLogin

/** The members of a type that have data of Effect, some levels deep. */
type EffectIn<T> = { [K in keyof T]-?: [Inside<T[K], 6>] extends [never] ? never : K }[keyof T]

type Inside<T, Depth extends number> = Depth extends 0 ? never
  : T extends Leaf | Handle | Client.CodexError.CodexError ? never
  : T extends EffectData ? "itself"
  : T extends PromiseLike<infer A> | AsyncIterable<infer A> | ReadonlyArray<infer A> ? Inside<A, Deeper[Depth]>
  : T extends (...args: infer P) => infer R ? Inside<P[number] | R, Deeper[Depth]>
  : { [K in keyof T]-?: Inside<T[K], Deeper[Depth]> }[keyof T]

none<EffectIn<Codex>>()
none<EffectIn<CodexOptions>>()
none<EffectIn<Auth>>()
none<EffectIn<PendingLogin>>()
none<EffectIn<Extensions>>()
none<EffectIn<HostTools>>()
none<EffectIn<McpLogin>>()
none<EffectIn<Thread>>()
none<EffectIn<Turn>>()
// `tool` takes a schema.
none<EffectIn<Omit<typeof Public, keyof typeof Client.CodexError | "CheckpointError" | "Refusal" | "tool">>>()
