/**
 * Codex for programs without Effect: promises, async iterables and `AbortSignal`s on top of the same client.
 *
 * @since 0.1.0
 */
export * as ApprovalMode from "@effect-codex/client/ApprovalMode"
export {
  acceptWithExecPolicyAmendment,
  applyNetworkPolicyAmendment,
  type ApprovalRequest,
  type CommandDecision,
  type CommandRequest,
  type FileChangeDecision,
  type FileChangeRequest,
  type McpToolDecision,
  type McpToolRequest,
  type PermissionsDecision,
  type PermissionsRequest
} from "@effect-codex/client/Approvals"
export { describe as describeApproval, withoutShell } from "@effect-codex/client/Approvals"
export type { Capabilities, Diagnostic } from "@effect-codex/client/AppServerRpc"
export type {
  AccountChange,
  AccountOptions,
  ChatgptLoginOptions,
  TokensRequest,
  UsageOptions
} from "@effect-codex/client/Auth"
export {
  type Change as CheckpointChange,
  CheckpointError,
  type Forget as ForgetCheckpoints,
  type Options as CheckpointsOptions,
  type RewindOptions,
  type Skipped as SkippedFile
} from "@effect-codex/client/Checkpoints"
export type { ListThreadsOptions, ModelsOptions } from "@effect-codex/client/Codex"
export * from "@effect-codex/client/CodexError"
export { isOverloaded, isRetryable } from "@effect-codex/client/CodexRetry"
export type { ConfigOverrides } from "@effect-codex/client/ConfigOverrides"
export type {
  Edit as ConfigurationEdit,
  Key as ConfigurationKey,
  Providers,
  SetFeatures
} from "@effect-codex/client/Configuration"
export type {
  AppsOptions,
  HooksOptions,
  McpServersOptions,
  PluginSelector,
  PluginsOptions,
  SkillSelector,
  SkillsOptions
} from "@effect-codex/client/Extensions"
export type { Decoded, JsonSchemaOutput, Output, StandardOutput } from "@effect-codex/client/Output"
export type { PerMillion } from "@effect-codex/client/Pricing"
export type { Request as QuestionsRequest } from "@effect-codex/client/Questions"
export type { Entry as QueueEntry, QueuedMessage } from "@effect-codex/client/Queue"
export * as Sandbox from "@effect-codex/client/Sandbox"
export type { ServerInfo } from "@effect-codex/client/ServerInfo"
export type { ServerNotification, TurnEvent } from "@effect-codex/client/ServerNotification"
export { Refusal } from "@effect-codex/client/ServerRequests"
export type {
  AskOptions,
  ListItemsOptions,
  ListTurnsOptions,
  StructuredOutput,
  ThreadEvent,
  ThreadInfo,
  ThreadStatus,
  UpdateSettingsOptions
} from "@effect-codex/client/Thread"
export type { SteerOptions, UpdateTurnSettingsOptions } from "@effect-codex/client/Turn"
export type {
  CommandExit,
  CommandResult,
  FileKind,
  FileSearchResults,
  FolderEntry,
  FoundFile,
  TerminalSize,
  WatchEvent
} from "@effect-codex/client/Workspace"
export type { Model, ThreadItem } from "@effect-codex/protocol/Received"
export * from "./Auth.ts"
export * from "./Budget.ts"
export * from "./Checkpoints.ts"
export * from "./Codex.ts"
export * from "./Configuration.ts"
export * as Elicitation from "./Elicitation.ts"
export * from "./Extensions.ts"
export * from "./Handlers.ts"
export * as Hooks from "./Hooks.ts"
export * from "./HostTools.ts"
export * as Input from "./Input.ts"
export * from "./McpServer.ts"
export * from "./Options.ts"
export * from "./Plan.ts"
export type * from "./Pool.ts"
export * from "./Queue.ts"
export * from "./Readable.ts"
export * from "./Results.ts"
export * from "./Subagent.ts"
export * from "./Thread.ts"
export * from "./Tools.ts"
export * from "./Turn.ts"
export * from "./Workspace.ts"
