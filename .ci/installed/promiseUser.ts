/** Exports of a promise user's package without type annotations. */
import { type Codex, isCodexError, partialResult, type Thread, type Turn } from "@effect-codex/promise"

export const items = async (codex: Codex) => (await (await codex.startThread()).run("Go.")).items
export const models = (codex: Codex) => codex.models()
export const threads = (codex: Codex) => codex.listThreads()
export const stored = (codex: Codex, id: string) => codex.readThread(id)
export const list = (codex: Codex) => codex.request("thread/list", {})
export const account = (codex: Codex) => codex.auth.account()
export const rateLimits = (codex: Codex) => codex.auth.rateLimits()
export const notifications = (codex: Codex) => codex.notifications
export const status = (thread: Thread) => thread.status()
export const stream = (turn: Turn) => turn.items
export const events = (turn: Turn) => turn.events
export const usage = (turn: Turn) => turn.usage
export const result = (turn: Turn) => turn.result()
export const info = (error: unknown) => isCodexError(error) && error._tag === "TurnFailed" ? error.info : undefined
export const partial = (error: unknown) => isCodexError(error) ? partialResult(error)?.items : undefined
