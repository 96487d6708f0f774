/** Tests on the real codex binary with a scripted model, through `effect/ai`. */
import { CodexLanguageModel } from "@effect-codex/ai"
import type { AppServer, Codex } from "@effect-codex/client"
import { type CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import type { LanguageModel } from "effect/ai"

export type Services =
  | LanguageModel.LanguageModel
  | Codex.Codex
  | ScriptedModel.ScriptedModel
  | CodexHome.CodexHome
  | AppServer.AppServer

export const layer = (
  options?: CodexLanguageModel.Options,
  codex?: ScriptedCodex.Options
): Layer.Layer<Services, unknown> =>
  CodexLanguageModel.layer(options).pipe(Layer.provideMerge(ScriptedCodex.layer(codex)))

/** A test on a codex of its own. It ends before its home is removed. */
export const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  services: Layer.Layer<Services, unknown> = layer()
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(services)))

export const enqueue = (...answers: ReadonlyArray<ScriptedModel.Answer>) =>
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.enqueue(...answers))

export const requests = Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests)

/** What the model was given in its last request. */
export const lastRequest = Effect.map(requests, (all) => all.at(-1)!)

/** What codex says of itself is long, or in a tag. */
const isContext = (text: string) => text.length > 500 || /^<[a-z_]+/.test(text)

/** The conversation as the model saw it, one line for each item, without what codex adds. */
export const conversation = ({ input }: ScriptedModel.ModelRequest): ReadonlyArray<string> =>
  input.flatMap((item) => {
    switch (item["type"]) {
      case "message": {
        const texts = (item["content"] as ReadonlyArray<{ readonly text?: string; readonly type: string }>)
          .map(({ text, type }) => text ?? type)
        const own = texts.filter((text) => !isContext(text))
        return own.length === 0 ? [] : [`${item["role"]}: ${own.join(" | ")}`]
      }
      case "function_call":
        return [`call: ${item["name"]} ${item["arguments"]}`]
      case "function_call_output":
        return [`output: ${typeof item["output"] === "string" ? item["output"] : JSON.stringify(item["output"])}`]
      default:
        return []
    }
  })
