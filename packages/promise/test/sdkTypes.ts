/** That the drop-in has the types of `@openai/codex-sdk`. Checked by `npm run check`; nothing here runs. */
import type * as Ours from "@effect-codex/promise/codex-sdk"
import type * as Sdk from "@openai/codex-sdk"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const holds = <_ extends true>(): void => {}
const none = <_ extends never>(): void => {}

none<Exclude<keyof typeof Sdk, keyof typeof Ours>>()

type Public<T> = { [K in keyof T]: T[K] }

/** Both ways: what the one takes and gives, the other does, too. */
type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false

holds<Same<ConstructorParameters<typeof Sdk.Codex>, ConstructorParameters<typeof Ours.Codex>>>()
holds<Equal<keyof Sdk.Codex, keyof Ours.Codex>>()
holds<Equal<keyof Sdk.Thread, keyof Ours.Thread>>()
holds<Same<Public<Sdk.Thread>, Public<Ours.Thread>>>()
holds<Same<Parameters<Sdk.Codex["startThread"]>, Parameters<Ours.Codex["startThread"]>>>()
holds<Same<Parameters<Sdk.Codex["resumeThread"]>, Parameters<Ours.Codex["resumeThread"]>>>()

holds<Same<Sdk.AgentMessageItem, Ours.AgentMessageItem>>()
holds<Same<Sdk.ApprovalMode, Ours.ApprovalMode>>()
holds<Same<Sdk.CodexOptions, Ours.CodexOptions>>()
holds<Same<Sdk.CommandExecutionItem, Ours.CommandExecutionItem>>()
holds<Same<Sdk.CyberAccessProgram, Ours.CyberAccessProgram>>()
holds<Same<Sdk.ErrorItem, Ours.ErrorItem>>()
holds<Same<Sdk.FileChangeItem, Ours.FileChangeItem>>()
holds<Same<Sdk.Input, Ours.Input>>()
holds<Same<Sdk.ItemCompletedEvent, Ours.ItemCompletedEvent>>()
holds<Same<Sdk.ItemStartedEvent, Ours.ItemStartedEvent>>()
holds<Same<Sdk.ItemUpdatedEvent, Ours.ItemUpdatedEvent>>()
holds<Same<Sdk.McpToolCallItem, Ours.McpToolCallItem>>()
holds<Same<Sdk.ModelReasoningEffort, Ours.ModelReasoningEffort>>()
holds<Same<Sdk.ReasoningItem, Ours.ReasoningItem>>()
holds<Same<Sdk.RunResult, Ours.RunResult>>()
holds<Same<Sdk.RunStreamedResult, Ours.RunStreamedResult>>()
holds<Same<Sdk.SandboxMode, Ours.SandboxMode>>()
holds<Same<Sdk.ThreadError, Ours.ThreadError>>()
holds<Same<Sdk.ThreadErrorEvent, Ours.ThreadErrorEvent>>()
holds<Same<Sdk.ThreadEvent, Ours.ThreadEvent>>()
holds<Same<Sdk.ThreadItem, Ours.ThreadItem>>()
holds<Same<Sdk.ThreadOptions, Ours.ThreadOptions>>()
holds<Same<Sdk.ThreadStartedEvent, Ours.ThreadStartedEvent>>()
holds<Same<Sdk.TodoListItem, Ours.TodoListItem>>()
holds<Same<Sdk.TurnCompletedEvent, Ours.TurnCompletedEvent>>()
holds<Same<Sdk.TurnFailedEvent, Ours.TurnFailedEvent>>()
holds<Same<Sdk.TurnOptions, Ours.TurnOptions>>()
holds<Same<Sdk.TurnStartedEvent, Ours.TurnStartedEvent>>()
holds<Same<Sdk.Usage, Ours.Usage>>()
holds<Same<Sdk.UserInput, Ours.UserInput>>()
holds<Same<Sdk.WebSearchItem, Ours.WebSearchItem>>()
holds<Same<Sdk.WebSearchMode, Ours.WebSearchMode>>()
