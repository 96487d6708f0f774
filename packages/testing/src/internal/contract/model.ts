/** What cases are and need. */
import type * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import type * as Auth from "@effect-codex/client/Auth"
import type * as Codex from "@effect-codex/client/Codex"
import { TaggedError } from "@effect-codex/client/internal/taggedError"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ScriptedModel } from "../../ScriptedModel.ts"

/**
 * A frame that went over the connection, parsed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Frame {
  readonly from: "client" | "server"
  readonly message: { readonly [key: string]: unknown }
}

/**
 * What goes over the connection of the cases.
 *
 * @category services
 * @since 0.1.0
 */
export class Wire extends Context.Service<Wire, {
  /** All frames so far, oldest first. */
  readonly frames: Effect.Effect<ReadonlyArray<Frame>>
  /** Waits for a frame of the server, those since frame `since` included. */
  readonly until: (
    predicate: (message: Frame["message"]) => boolean,
    since: number
  ) => Effect.Effect<Frame["message"]>
}>()("@effect-codex/testing/Contract/Wire") {}

/**
 * The server did something else than the contract says. `message` shows both, line by line.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContractFailure
  extends TaggedError<ContractFailure>("@effect-codex/testing/Contract/ContractFailure")("ContractFailure", {
    what: Schema.String,
    contract: Schema.Array(Schema.String),
    server: Schema.Array(Schema.String)
  })
{
  override get message(): string {
    return `${this.what} is not what the contract says:\n${picture(this.contract, this.server)}`
  }
}

const picture = (expected: ReadonlyArray<string>, actual: ReadonlyArray<string>): string => {
  // The longest run in common at both ends; what differs stands between.
  let start = 0
  while (start < expected.length && start < actual.length && expected[start] === actual[start]) start++
  let end = 0
  while (
    end < expected.length - start && end < actual.length - start &&
    expected[expected.length - 1 - end] === actual[actual.length - 1 - end]
  ) end++
  const same = (lines: ReadonlyArray<string>) => lines.map((line) => `    ${line}`)
  return [
    ...same(expected.slice(0, start)),
    ...expected.slice(start, expected.length - end).map((line) => `  - ${line}`),
    ...actual.slice(start, actual.length - end).map((line) => `  + ${line}`),
    ...same(expected.slice(expected.length - end))
  ].join("\n")
}

/**
 * What the cases need: the client, its wire, and the model that the server asks.
 *
 * @category models
 * @since 0.1.0
 */
export type Services =
  | Codex.Codex
  | Auth.Auth
  | AppServerRpc.AppServerRpc
  | Wire
  | ScriptedModel

/**
 * One thing that a server does. It fails with a {@link ContractFailure}, or with the error of a request that should have
 * succeeded. Cases may run one after the other on one connection, in any order, and leave nothing behind that another one
 * minds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case<R = Services> {
  readonly name: string
  readonly effect: Effect.Effect<void, unknown, R | Scope.Scope>
}
