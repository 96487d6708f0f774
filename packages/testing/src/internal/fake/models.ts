/** The models that codex 0.171.0 knows. */
import type * as Received from "@effect-codex/protocol/Received"

const efforts: ReadonlyArray<Received.ReasoningEffortOption> = [
  { reasoningEffort: "low", description: "Fast responses with lighter reasoning" },
  { reasoningEffort: "medium", description: "Balances speed and reasoning depth for everyday tasks" },
  { reasoningEffort: "high", description: "Greater reasoning depth for complex problems" },
  { reasoningEffort: "xhigh", description: "Extra high reasoning depth for complex problems" },
  { reasoningEffort: "max", description: "Maximum reasoning depth for the hardest problems" }
]

const ultra = { reasoningEffort: "ultra", description: "Maximum reasoning with automatic task delegation" }

const model = (
  id: string,
  displayName: string,
  description: string,
  more: Partial<Received.Model>
): Received.Model => ({
  id,
  model: id,
  upgrade: null,
  upgradeInfo: null,
  availabilityNux: null,
  displayName,
  description,
  modelSpecialty: null,
  hidden: false,
  supportedReasoningEfforts: [...efforts, ultra],
  defaultReasoningEffort: "low",
  inputModalities: ["text", "image"],
  supportsPersonality: false,
  multiAgentVersion: "v2",
  additionalSpeedTiers: ["fast"],
  serviceTiers: [{ id: "priority", name: "Fast", description: "2x speed, increased usage" }],
  defaultServiceTier: null,
  availableAccessPrograms: null,
  isDefault: false,
  ...more
})

/** The first two models and a hidden one: enough for pages and for `includeHidden`. The real server lists fourteen. */
const listed: ReadonlyArray<Received.Model> = [
  model("gpt-6.2-sol", "GPT-6.2-Sol", "Fast, go-to model for coding and everyday work.", { isDefault: true }),
  model(
    "gpt-6.2-astra",
    "GPT-6.2-Astra",
    "Our most capable model for complex coding and professional work.",
    {}
  ),
  model("codex-auto-review", "Codex Auto Review", "Automatic approval review model for Codex.", {
    hidden: true,
    supportedReasoningEfforts: efforts,
    defaultReasoningEffort: "medium",
    multiAgentVersion: "v1",
    serviceTiers: [{ id: "priority", name: "Fast", description: "1.5x speed, increased usage" }]
  })
]

const known: ReadonlySet<string> = new Set([
  ...listed.map(({ id }) => id),
  "gpt-6.1-sol",
  "gpt-6-astra",
  "gpt-6-sol",
  "gpt-6-luna",
  "gpt-5.6-sol",
  "gpt-6.1-terra",
  "gpt-5.6-terra",
  "gpt-5.6-luna",
  "gpt-daybreak-blue-latest",
  "gpt-daybreak-red-latest",
  "gpt-5.5"
])

/** Whether codex has metadata for the model. It behaves differently with models that it does not know. */
export const isKnown = (model: string): boolean => known.has(model)

export const list = (includeHidden: boolean): ReadonlyArray<Received.Model> =>
  includeHidden ? listed : listed.filter(({ hidden }) => !hidden)
