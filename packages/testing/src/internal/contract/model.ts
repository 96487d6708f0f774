/** The types of cases and the services that they need. */
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
 * A frame that was sent or received, parsed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Frame {
  readonly from: "client" | "server"
  readonly message: { readonly [key: string]: unknown }
}

/**
 * A recorder of the frames on the connection of the cases.
 *
 * @category services
 * @since 0.1.0
 */
export class Wire extends Context.Service<Wire, {
  /** All frames so far, oldest first. */
  readonly frames: Effect.Effect<ReadonlyArray<Frame>>
  /** Waits for a matching frame of the server. Frames from index `since` on count, even if they came before. */
  readonly until: (
    predicate: (message: Frame["message"]) => boolean,
    since: number
  ) => Effect.Effect<Frame["message"]>
}>()("@effect-codex/testing/Contract/Wire") {}

/**
 * The server behaved other than the contract says. `message` shows the difference line by line.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContractFailure
  extends TaggedError<ContractFailure>("@effect-codex/testing/Contract/ContractFailure")("ContractFailure", {
    /** The name of the case, or what it compared. */
    what: Schema.String,
    /** The expected lines. */
    contract: Schema.Array(Schema.String),
    /** The lines of the server under test. */
    server: Schema.Array(Schema.String)
  })
{
  override get message(): string {
    return `${this.what} is not what the contract says:\n${picture(this.contract, this.server)}`
  }
}

const picture = (expected: ReadonlyArray<string>, actual: ReadonlyArray<string>): string => {
  // Keep what both have in common at the beginning and at the end, and mark everything between as different.
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
 * The services that a case needs: the client, its {@link Wire}, and the server's scripted model.
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
 * A case: its name, and an effect that fails if the server behaves otherwise, with a {@link ContractFailure} or with
 * the error of a request that should have succeeded.
 *
 * **Details**
 *
 * Cases may run one after another on one connection, in any order. No case leaves anything behind that affects another.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case<R = Services> {
  readonly name: string
  readonly effect: Effect.Effect<void, unknown, R | Scope.Scope>
}
