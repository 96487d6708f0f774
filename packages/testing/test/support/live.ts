import * as CodexHome from "@effect-codex/testing/CodexHome"
import * as ScriptedModel from "@effect-codex/testing/ScriptedModel"
import { Effect, Layer, type Scope } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { spawner } from "./codex.ts"

type Services =
  | CodexHome.CodexHome
  | ScriptedModel.ScriptedModel
  | ChildProcessSpawner.ChildProcessSpawner
  | Scope.Scope

/** Provides a model and a home that outlive every process the effect starts. */
export const withCodex =
  (options: { readonly model?: ScriptedModel.Options; readonly home?: CodexHome.Options } = {}) =>
  <A, E, R extends Services>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(
        CodexHome.layer(options.home).pipe(Layer.provideMerge(ScriptedModel.layer(options.model))),
        spawner
      ))
    )
