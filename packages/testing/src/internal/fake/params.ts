/** Checks a request before it is handled: its method must be known, and its params must be those of the method. */
import { type ClientRequests, clientRequests } from "@effect-codex/protocol/Methods"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { checkThreadId, experimental, malformed, notFaked as refuseFake, type Refused } from "./refused.ts"

export type Method = keyof ClientRequests

const isMethod = (method: string): method is Method => Object.hasOwn(clientRequests, method)

// In the order in which the server reports them as missing.
const required: { readonly [M in Method]?: ReadonlyArray<string> } = {
  "initialize": ["clientInfo"],
  "account/login/cancel": ["loginId"],
  "account/login/start": ["type"],
  "thread/archive": ["threadId"],
  "thread/delete": ["threadId"],
  "thread/fork": ["threadId"],
  "thread/inject_items": ["threadId", "items"],
  "thread/items/list": ["threadId"],
  "thread/name/set": ["threadId", "name"],
  "thread/prepareApprovedPlan": ["threadId", "markdown"],
  "thread/read": ["threadId"],
  "thread/resume": ["threadId"],
  "thread/search": ["searchTerm"],
  "thread/search/stream": ["searchTerm"],
  "thread/settings/update": ["threadId"],
  "thread/start": [],
  "thread/turns/list": ["threadId"],
  "thread/unarchive": ["threadId"],
  "thread/unsubscribe": ["threadId"],
  "turn/interrupt": ["threadId", "turnId"],
  "turn/start": ["threadId", "input"],
  "turn/steer": ["threadId", "expectedTurnId", "input"]
}

const issues = new Map<Method, (params: unknown) => string | undefined>()

// The schemas describe what a client sends, so they require nullable keys that the server does not.
const isMissingKeys = (message: string): boolean =>
  message.split("\n").every((line) => line === "Missing key" || line.startsWith("  at "))

const issueOf = (method: Method, params: unknown): string | undefined => {
  let check = issues.get(method)
  if (check === undefined) {
    const decode = Schema.decodeUnknownResult(clientRequests[method].params())
    check = (params) => {
      const result = decode(params, { errors: "all" })
      return result._tag === "Success" || isMissingKeys(result.failure.message) ? undefined : result.failure.message
    }
    issues.set(method, check)
  }
  return check(params)
}

const allowsNoParams: ReadonlySet<string> = new Set<Method>([
  "account/logout",
  "account/rateLimits/read",
  "configRequirements/read",
  "config/mcpServer/reload"
])

export const methodOf = (method: string): Method | Refused =>
  isMethod(method)
    ? method
    : malformed(
      `unknown variant \`${method}\`, expected one of ${
        Object.keys(clientRequests).map((name) => `\`${name}\``).join(", ")
      }`
    )

const foldersOf = (params: object): ReadonlyArray<unknown> => {
  const policy: unknown = Reflect.get(params, "sandboxPolicy")
  return [
    Reflect.get(params, "runtimeWorkspaceRoots"),
    Predicate.isObject(policy) ? policy["writableRoots"] : undefined
  ]
    .flatMap((folders: unknown) => Array.isArray(folders) ? folders : [])
}

/** Returns a refusal; undefined if the params are valid for the method. */
export const check = (method: Method, params: unknown): Refused | undefined => {
  if (params === undefined || params === null) {
    return allowsNoParams.has(method) ? undefined : malformed("missing field `params`")
  }
  if (typeof params !== "object") return malformed(`invalid type: ${typeof params}, expected the params of ${method}`)
  const missing = required[method]?.find((field) => !Object.hasOwn(params, field))
  if (missing !== undefined) return malformed(`missing field \`${missing}\``)
  const issue = allowsNoParams.has(method) ? undefined : issueOf(method, params)
  if (issue !== undefined) return malformed(issue)
  if (!foldersOf(params).every((folder) => typeof folder !== "string" || folder.startsWith("/"))) {
    return malformed("AbsolutePathBuf deserialized without a base path")
  }
  return "threadId" in params && typeof params.threadId === "string"
    ? checkThreadId(method, params.threadId)
    : undefined
}

/** Params that change how a thread behaves, in a way that the fake does not support. */
const notFaked = ["environments"]

export const checkFaked = (method: Method, params: unknown): Refused | undefined => {
  if (typeof params !== "object" || params === null) return undefined
  const field = notFaked.find((field) => (Reflect.get(params, field) ?? null) !== null)
  return field === undefined ? undefined : refuseFake(`${method}.${field}`)
}

export const checkExperimental = (method: Method, params: unknown): Refused | undefined => {
  if (clientRequests[method].stability === "experimental") return experimental(method)
  if (typeof params !== "object" || params === null) return undefined
  if (method === "turn/start" && "collaborationMode" in params && params.collaborationMode !== null) {
    return experimental("turn/start.collaborationMode")
  }
  if (method === "thread/start" && "dynamicTools" in params && params.dynamicTools !== null) {
    return experimental("thread/start.dynamicTools")
  }
  return method === "account/login/start" && "type" in params && params.type === "chatgptAuthTokens"
    ? experimental("account/login/start.chatgptAuthTokens")
    : undefined
}
