/**
 * What each method can fail with. A method that is not in its table, or with another error more or less, does not compile.
 * Checked by `npm run check`; nothing here runs.
 */
import type {
  AppServerRpc,
  Auth,
  Checkpoints,
  Codex,
  CodexError,
  Configuration,
  Elicitation,
  Extensions,
  Questions,
  Queue,
  Subagent,
  Thread,
  Turn,
  Workspace
} from "@effect-codex/client"
import type { Methods } from "@effect-codex/protocol"
import type { Effect, Stream } from "effect"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const holds = <_ extends true>(): void => {}

declare const rpc: AppServerRpc.AppServerRpc["Service"]

type ErrorsOf<T> = T extends (...args: never) => infer R ? ErrorsOf<R>
  : T extends Effect.Effect<unknown, infer E, infer _> ? E
  : T extends Stream.Stream<unknown, infer E, infer _> ? E
  : "no effect"

/** By their methods. A member that is a value, or cannot fail, is left out. */
type Errors<Service> = {
  [K in keyof Service as [ErrorsOf<Service[K]>] extends [never] | ["no effect"] ? never : K]: ErrorsOf<Service[K]>
}

type Call = CodexError.CallError
type ThreadCall = CodexError.ThreadCallError
type InUse = CodexError.ThreadInUse

holds<
  Equal<Errors<Codex.Codex["Service"]>, {
    readonly startThread: Call | CodexError.SettingsNotApplied
    readonly resumeThread: CodexError.ResumeError
    readonly forkThread: ThreadCall | CodexError.SettingsNotApplied
    readonly listThreads: Call
    readonly listThreadsPage: Call
    readonly searchThreads: Call
    readonly readThread: ThreadCall
    readonly archiveThread: Exclude<ThreadCall, CodexError.DecodeError> | InUse
    readonly unarchiveThread: ThreadCall | InUse
    readonly deleteThread: Exclude<ThreadCall, CodexError.DecodeError> | InUse
    readonly loadedThreads: Call
    readonly threadSections: Call
    readonly models: Call
  }>
>()

// `run` with an `output` is in publicTypes.ts: of an overloaded function the last signature counts here.
holds<
  Equal<Errors<Thread.Thread>, {
    readonly run: CodexError.TurnStartError | CodexError.TurnEndError | CodexError.TurnInterrupted
    readonly turn: CodexError.TurnStartError
    readonly review: CodexError.ResumeError | CodexError.ThreadBusy | CodexError.BudgetExceeded
    readonly compact: CodexError.ResumeError | CodexError.ThreadBusy | CodexError.BudgetExceeded
    readonly ask: ThreadCall | InUse | CodexError.AskFailed | CodexError.BudgetExceeded
    readonly read: ThreadCall
    readonly status: ThreadCall
    readonly turns: ThreadCall
    readonly findTurn: ThreadCall
    readonly items: ThreadCall
    // Reading notifications makes no request, so nothing but the end of the connection ends it.
    readonly events: CodexError.ConnectionError
    readonly setName: ThreadCall | InUse
    readonly updateMetadata: ThreadCall
    readonly moveToSection: Exclude<ThreadCall, CodexError.DecodeError>
    readonly search: ThreadCall
    readonly fork: ThreadCall | CodexError.SettingsNotApplied
    readonly archive: Exclude<ThreadCall, CodexError.DecodeError> | InUse
    readonly revert: ThreadCall | InUse
    readonly inject: ThreadCall | InUse
    readonly updateSettings: ThreadCall | InUse
    readonly unsubscribe: Call
    readonly implementPlan: CodexError.TurnStartError
    readonly startGoal: CodexError.ResumeError | CodexError.ThreadBusy | CodexError.BudgetExceeded
    readonly runGoal:
      | CodexError.ResumeError
      | CodexError.ThreadBusy
      | CodexError.BudgetExceeded
      | CodexError.TurnEndError
      | CodexError.TurnInterrupted
    readonly resumeGoal: CodexError.ResumeError | CodexError.ThreadBusy | CodexError.BudgetExceeded
    readonly goal: Call | CodexError.ThreadNotFound
    readonly pauseGoal: Call | CodexError.ThreadNotFound
    readonly clearGoal: Call | CodexError.ThreadNotFound
  }>
>()

type QueueCall = ThreadCall | CodexError.QueuedMessageNotFound

holds<
  Equal<Errors<Queue.Queue>, {
    readonly add: CodexError.ResumeError | CodexError.InputTooLarge
    readonly list: ThreadCall
    readonly changes: ThreadCall | InUse
    readonly update: QueueCall | CodexError.InputTooLarge
    readonly remove: ThreadCall
    readonly reorder: ThreadCall
    readonly start: CodexError.ResumeError | CodexError.ThreadBusy | CodexError.QueuedMessageNotFound
    readonly turn: CodexError.ResumeError | CodexError.QueuedMessageNotFound
  }>
>()

type Reading = CodexError.ConnectionError | CodexError.EventsOverflow

holds<
  Equal<Errors<Turn.Turn>, {
    readonly events: Reading
    readonly messages: Reading
    readonly text: Reading
    readonly reasoning: Reading
    readonly items: Reading
    readonly plan: Reading
    readonly proposedPlan: Reading
    readonly diff: Reading
    readonly usage: Reading
    readonly subagents: CodexError.ConnectionError
    readonly subagentTree: CodexError.ConnectionError
    readonly result:
      | CodexError.TurnEndError
      | CodexError.ThreadBusy
      | CodexError.SettingsNotApplied
      | CodexError.ConnectionError
    readonly updateSettings: CodexError.TurnSettingsError
    readonly steer: CodexError.TurnCallError | CodexError.InputTooLarge
    readonly interrupt: CodexError.TurnCallError | CodexError.ThreadBusy
    readonly interruptWithTerminals: CodexError.TurnCallError | CodexError.DecodeError | CodexError.ThreadBusy
  }>
>()

holds<
  Equal<Errors<Subagent.Subagent>, {
    readonly events: Reading
    readonly messages: Reading
    readonly text: Reading
    readonly reasoning: Reading
    readonly items: Reading
    readonly usage: Reading
    readonly result: CodexError.TurnFailed | CodexError.TurnOutcomeUnknown | CodexError.ConnectionError
    readonly interrupt: CodexError.TurnCallError
    readonly history: CodexError.ThreadCallError
  }>
>()

/** Of requests that say nothing that a program has given. */
type OwnCall = Exclude<Call, CodexError.InvalidArgument>

holds<
  Equal<Errors<Auth.Auth["Service"]>, {
    readonly account: Call
    readonly loginApiKey: CodexError.LoginError
    readonly loginChatgpt: CodexError.LoginError
    readonly loginDeviceCode: Exclude<CodexError.LoginError, CodexError.InvalidArgument>
    readonly logout: Exclude<OwnCall, CodexError.DecodeError>
    readonly rateLimits: OwnCall | CodexError.LoginRequired
    readonly rateLimitChanges: CodexError.ConnectionError
    readonly usage: Call | CodexError.LoginRequired
    readonly changes: CodexError.ConnectionError
  }>
>()
type Waiting = { readonly wait: CodexError.LoginFailed | CodexError.ConnectionError; readonly cancel: OwnCall }
holds<Equal<Errors<Auth.ChatgptLogin>, Waiting>>()
holds<Equal<Errors<Auth.DeviceCodeLogin>, Waiting>>()

type ConfigurationCall = CodexError.ConfigurationCallError
holds<
  Equal<Errors<Configuration.Configuration["Service"]>, {
    readonly read: Call
    readonly write: ConfigurationCall
    readonly writeAll: ConfigurationCall
    readonly requirements: Call
    readonly features: Call
    readonly setFeatures: Call
    readonly providers: Call
    readonly providerCapabilities: Call
    readonly setDefaultProvider: ConfigurationCall
    readonly writeProvider: ConfigurationCall
    readonly permissionProfiles: Call
  }>
>()

type FileCall = CodexError.FileCallError
type CommandCall = CodexError.CommandCallError
/** Of requests of whose reply nothing is used. */
type Unanswered<E> = Exclude<E, CodexError.DecodeError>
holds<
  Equal<Errors<Workspace.Workspace["Service"]>, {
    readonly readFile: FileCall
    readonly readText: FileCall
    readonly writeFile: Unanswered<FileCall>
    readonly stat: FileCall
    readonly list: FileCall
    readonly createFolder: Unanswered<FileCall>
    readonly remove: Unanswered<FileCall>
    readonly copy: Unanswered<FileCall>
    readonly watch: FileCall
    readonly searchFiles: Call
    readonly searchFilesLive: Unanswered<Call>
    readonly exec: CommandCall
    readonly run: CommandCall
    readonly diffToRemote: Call
  }>
>()
type LoadedCall = Call | CodexError.ThreadNotFound
holds<
  Equal<Errors<Extensions.Extensions["Service"]>, {
    readonly skills: Call
    readonly setSkillEnabled: Call
    readonly addSkillRoots: Unanswered<Call>
    readonly skillChanges: CodexError.ConnectionError
    readonly mcpServers: LoadedCall
    readonly reloadMcpServers: Unanswered<Call>
    readonly callTool: LoadedCall
    readonly readResource: LoadedCall
    readonly loginMcpServer: LoadedCall
    readonly apps: LoadedCall
    readonly installedApps: LoadedCall
    readonly readApps: LoadedCall
    readonly plugins: Call
    readonly readPlugin: Call
    readonly installPlugin: Call
    readonly uninstallPlugin: Unanswered<Call>
    readonly hooks: LoadedCall
  }>
>()
holds<Equal<Errors<Extensions.McpLogin>, { readonly wait: CodexError.McpLoginFailed | CodexError.ConnectionError }>>()
holds<
  Equal<Errors<Workspace.Process>, {
    readonly write: Unanswered<CommandCall>
    readonly closeStdin: Unanswered<CommandCall>
    readonly stdout: CommandCall
    readonly stderr: CommandCall
    readonly exit: CommandCall
    readonly kill: Unanswered<Call>
    readonly resize: Unanswered<CommandCall>
  }>
>()
holds<
  Equal<Errors<Workspace.FileSearch>, {
    readonly search: Unanswered<Call>
    readonly results: CodexError.ConnectionError
  }>
>()

holds<Equal<ErrorsOf<typeof Elicitation.check>, Elicitation.ContentInvalid>>()
holds<Equal<ErrorsOf<typeof Questions.check>, Questions.AnswersInvalid>>()

type Checkpoint = Checkpoints.CheckpointError
holds<Equal<ErrorsOf<typeof Checkpoints.make>, Checkpoint | CodexError.InvalidArgument>>()
holds<
  Equal<Errors<Omit<Checkpoints.Checkpoints["Service"], "track">>, {
    readonly list: Checkpoint
    readonly changes: Checkpoint
    readonly diff: Checkpoint
    readonly rewind: Checkpoint | CodexError.InvalidArgument
    readonly forget: Checkpoint | CodexError.InvalidArgument
  }>
>()

// What the unions leave out.
type Has<Tag extends CodexError.CodexError["_tag"], E extends CodexError.CodexError> = Tag extends E["_tag"] ? true
  : false
holds<Equal<Has<"InputTooLarge" | "ThreadNotFound" | "ThreadInUse" | "LoginRequired", CodexError.CallError>, false>>()
holds<Equal<Has<"ThreadInUse" | "TurnMismatch" | "NoActiveTurn", CodexError.ThreadCallError>, false>>()
holds<
  Equal<Has<"ThreadInUse" | "ThreadNotPersisted" | "InputTooLarge" | "DecodeError", CodexError.TurnCallError>, false>
>()
holds<Equal<Has<"NoActiveTurn" | "TurnMismatch" | "LoginRequired" | "ThreadBusy", CodexError.ResumeError>, false>>()
holds<Equal<Has<"NoActiveTurn" | "TurnMismatch" | "LoginRequired", CodexError.TurnStartError>, false>>()
holds<Equal<Has<"TurnMismatch" | "ThreadNotPersisted" | "ThreadBusy", CodexError.TurnSettingsError>, false>>()

// A request has the errors of its method, and any error where what it can mean is not known.
type RequestErrors<M extends keyof Methods.ClientRequests> = Effect.Error<
  ReturnType<typeof rpc.request<M>>
>
holds<Equal<RequestErrors<"thread/start">, CodexError.CallError>>()
holds<Equal<RequestErrors<"thread/resume">, CodexError.ThreadCallError | CodexError.ThreadInUse>>()
holds<Equal<RequestErrors<"thread/fork">, CodexError.ThreadCallError>>()
holds<Equal<RequestErrors<"thread/name/set">, CodexError.ThreadCallError>>()
holds<Equal<RequestErrors<"thread/goal/set">, CodexError.CallError | CodexError.ThreadNotFound>>()
holds<
  Equal<RequestErrors<"turn/start">, CodexError.CallError | CodexError.ThreadNotFound | CodexError.InputTooLarge>
>()
holds<
  Equal<
    RequestErrors<"turn/steer">,
    CodexError.TurnCallError | CodexError.DecodeError | CodexError.InputTooLarge
  >
>()
holds<Equal<RequestErrors<"turn/settings/update">, CodexError.CallError | CodexError.ThreadNotFound>>()
holds<Equal<RequestErrors<"turn/interrupt">, CodexError.TurnCallError | CodexError.DecodeError>>()
holds<Equal<RequestErrors<"command/exec">, CodexError.CallError>>()
holds<Equal<RequestErrors<"plugin/search">, CodexError.RequestError>>()
