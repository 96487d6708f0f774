/**
 * The errors that a refusal by the server can mean, for each request where they are known.
 * docs/codex-behaviour.md, "Each request about a thread can mean only some errors".
 */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import type * as CodexError from "../../CodexError.ts"

type Meaning = Exclude<CodexError.ReplyError["_tag"], CodexError.CallError["_tag"]>

const loaded = ["ThreadNotFound"] as const
const thread = ["ThreadNotFound", "ThreadNotPersisted"] as const
const written = [...thread, "ThreadInUse"] as const
const queued = [...thread, "QueuedMessageNotFound"] as const
const running = ["ThreadNotFound", "NoActiveTurn", "TurnMismatch"] as const

export const answers = {
  "initialize": [],
  "config/batchWrite": [],
  "config/read": [],
  "configRequirements/read": [],
  "experimentalFeature/enablement/set": [],
  "experimentalFeature/list": [],
  "model/list": [],
  "modelProvider/capabilities/read": [],
  "modelProvider/config/write": [],
  "modelProvider/default/set": [],
  "modelProvider/list": [],
  "permissionProfile/list": [],
  "account/read": [],
  "account/logout": [],
  "account/login/start": [],
  "account/login/cancel": [],
  "account/rateLimits/read": ["LoginRequired"],
  "account/usage/read": ["LoginRequired"],
  "command/exec": [],
  "command/exec/resize": [],
  "command/exec/terminate": [],
  "command/exec/write": [],
  "fs/copy": [],
  "fs/createDirectory": [],
  "fs/getMetadata": [],
  "fs/readDirectory": [],
  "fs/readFile": [],
  "fs/remove": [],
  "fs/unwatch": [],
  "fs/watch": [],
  "fs/writeFile": [],
  "fuzzyFileSearch": [],
  "fuzzyFileSearch/sessionStart": [],
  "fuzzyFileSearch/sessionStop": [],
  "fuzzyFileSearch/sessionUpdate": [],
  "gitDiffToRemote": [],
  "server/diagnostics": [],
  "app/installed": loaded,
  "app/list": loaded,
  "app/read": loaded,
  "config/mcpServer/reload": [],
  "hooks/list": loaded,
  "mcpServer/oauth/login": loaded,
  "mcpServer/resource/read": loaded,
  "mcpServer/tool/call": loaded,
  "mcpServerStatus/list": loaded,
  "plugin/install": [],
  "plugin/list": [],
  "plugin/read": [],
  "plugin/uninstall": [],
  "skills/config/write": [],
  "skills/extraRoots/set": [],
  "skills/list": [],
  "thread/start": [],
  "threadSection/list": [],
  "thread/list": [],
  "thread/loaded/list": [],
  "thread/search": [],
  "thread/search/stream": [],
  // Its result, not an error, says that the thread is unknown.
  "thread/unsubscribe": [],
  "thread/read": thread,
  "thread/metadata/update": thread,
  "thread/searchOccurrences": thread,
  "thread/section/move": thread,
  "thread/turns/list": thread,
  "thread/items/list": thread,
  "thread/fork": thread,
  "thread/name/set": thread,
  "thread/revert": thread,
  "thread/resume": written,
  "thread/archive": written,
  "thread/unarchive": written,
  "thread/delete": written,
  "thread/inject_items": loaded,
  "thread/settings/update": loaded,
  "thread/goal/get": loaded,
  "thread/goal/set": loaded,
  "thread/goal/clear": loaded,
  "thread/backgroundTerminals/list": loaded,
  "thread/backgroundTerminals/terminate": loaded,
  "thread/compact/start": loaded,
  "thread/prepareApprovedPlan": [...loaded, "InputTooLarge"],
  "thread/sample": loaded,
  "thread/queue/list": thread,
  "thread/queue/delete": thread,
  "thread/queue/reorder": thread,
  "thread/queue/add": [...thread, "InputTooLarge"],
  "thread/queue/update": [...queued, "InputTooLarge"],
  "thread/queue/start": queued,
  "review/start": loaded,
  "turn/settings/update": loaded,
  "turn/start": [...loaded, "InputTooLarge"],
  "turn/steer": [...running, "InputTooLarge"],
  "turn/interrupt": running
} as const satisfies { readonly [M in keyof ClientRequests]?: ReadonlyArray<Meaning> }

type Answers = typeof answers

type ByTag = { readonly [E in CodexError.ReplyError as E["_tag"]]: E }

/** What a request can fail with, by its method. */
export type RequestErrorOf<M> = M extends keyof Answers ? CodexError.CallError | ByTag[Answers[M][number]]
  : CodexError.RequestError

const known: ReadonlyMap<string, ReadonlyArray<string>> = new Map(Object.entries(answers))

/** Whether the method's refusal can mean this error. If not, the text matches by coincidence. */
export const canMean = (method: string, meaning: string): boolean => known.get(method)?.includes(meaning) ?? true
