/**
 * What the server's refusal of a write means: docs/codex-behaviour.md, "A refused write of the configuration has a
 * code".
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { ConfigurationError, type RpcError } from "../../CodexError.ts"
import { membersOf } from "../protocol/peek.ts"

const reasons: ReadonlyMap<unknown, ConfigurationError["reason"]> = new Map<unknown, ConfigurationError["reason"]>([
  ["configVersionConflict", "conflict"],
  ["configValidationError", "invalid"],
  ["configSchemaUnknownKey", "invalid"],
  ["configPathNotFound", "notFound"],
  ["userLayerNotFound", "notFound"],
  ["configLayerReadonly", "readOnly"]
])

const isRpcError = (error: unknown): error is RpcError => Predicate.isTagged(error, "RpcError")

const meaningOf = ({ data, detail, method }: RpcError): ConfigurationError | undefined => {
  const code = membersOf(data)["config_write_error_code"]
  if (!Predicate.isString(code)) return undefined
  return new ConfigurationError({ reason: reasons.get(code) ?? "other", code, detail, method })
}

/** Turns refusals that have the code of a write into errors about the configuration. */
export const writeErrors = <A, E>(
  request: Effect.Effect<A, E | RpcError>
): Effect.Effect<A, E | RpcError | ConfigurationError> =>
  Effect.mapError(request, (error) => isRpcError(error) ? meaningOf(error) ?? error : error)
