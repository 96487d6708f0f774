/** What a scenario is: a scripted model, a home, and what the program of this library does with them. */
import type { AppServer, AppServerRpc, Auth, Codex, CodexError, Thread, Turn, TurnResult } from "@effect-codex/client"
import type { CodexNode } from "@effect-codex/node"
import type { CodexHome, ScriptedModel } from "@effect-codex/testing"
import type { Effect, Schema, Scope } from "effect"
import type { Faults } from "./recording.ts"

export type Client = Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | AppServer.AppServer

export type Gates = (name: string) => ScriptedModel.Gate

/** What a scenario notes down, in the order in which it happened. */
export interface Steps {
  readonly workspace: string
  /** Provides a client of its own, whose codex ends with the effect. */
  readonly codex: (options?: CodexNode.Options) => <A, E>(
    effect: Effect.Effect<A, E, Client | Scope.Scope>
  ) => Effect.Effect<A, E | CodexError.CodexExecutableNotFound | CodexError.AppServerStartError>
  readonly result: (step: string, value: unknown) => void
  readonly run: (
    step: string,
    thread: Thread.Thread,
    ...args: Parameters<Thread.Thread["run"]>
  ) => Effect.Effect<void, Effect.Error<ReturnType<Thread.Thread["run"]>>>
  /** Notes the result of a turn as Python shapes it. */
  readonly turn: (step: string, result: TurnResult.TurnResult) => void
  /** Notes the events of a turn. `onDelta` runs at the first piece of the answer. */
  readonly stream: <E = never>(
    step: string,
    turn: Turn.Turn,
    onDelta?: Effect.Effect<void, E>
  ) => Effect.Effect<void, E | Effect.Error<Turn.Turn["result"]> | CodexError.EventsOverflow>
  /** Notes the error of a call. If there is none, notes its value, unless that is undefined. */
  readonly fails: <A, E, R>(step: string, call: Effect.Effect<A, E, R>) => Effect.Effect<void, never, R>
  readonly reached: (gate: string) => Effect.Effect<void>
  readonly release: (gate: string) => Effect.Effect<void>
}

export interface Setup {
  /** The model's answers. A gate has a name, so that both programs can open it. */
  readonly answers?: (gate: Gates) => ReadonlyArray<ScriptedModel.ScriptedAnswer>
  /** Whether the model says how many tokens it took. Default: true. */
  readonly usage?: boolean
  readonly home?: CodexHome.Options
  readonly env?: Readonly<Record<string, string>>
  /** Files of the workspace: their contents in base64, by path. */
  readonly files?: Readonly<Record<string, string>>
  readonly faults?: Faults
  /** Whether codex logs in through the browser, which one program per machine can do at a time. */
  readonly browser?: boolean
  /** Whether there is a login service. Its users confirm a device code when the gate `confirmed` opens. */
  readonly loginService?: boolean
}

export interface Scenario extends Setup {
  readonly name: string
  readonly title: string
  readonly ours: (t: Steps) => Effect.Effect<void, unknown, Scope.Scope>
}

export const scenario = (
  name: string,
  title: string,
  setup: Setup,
  ours: (t: Steps) => Effect.Effect<void, unknown, Scope.Scope>
): Scenario => ({ ...setup, name, title, ours })

/** What a program noted down. */
export interface Notes {
  readonly results: ReadonlyArray<{ readonly step: string; readonly value: Schema.Json }>
  readonly events: ReadonlyArray<{ readonly step: string; readonly method: string; readonly params: Schema.Json }>
  readonly errors: ReadonlyArray<{ readonly step: string; readonly error: Schema.Json }>
}
