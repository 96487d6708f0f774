/** Tests of a service that a program adds to the client, on the real codex binary. */
import { ScriptedCodex } from "@effect-codex/testing"
import { it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"

type Client = Layer.Success<ReturnType<typeof ScriptedCodex.layer>>

/** A test of the service. Each has a codex and a `CODEX_HOME` of its own, and no log. */
export const realWith = <S>(service: Layer.Layer<S, never, Client>) =>
(
  name: string,
  test: Effect.Effect<void, unknown, Client | S | Scope.Scope>,
  codex: NonNullable<ScriptedCodex.Options["codex"]> = {}
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide([Layer.provideMerge(service, ScriptedCodex.layer({ codex })), Logger.layer([])])
    ))
