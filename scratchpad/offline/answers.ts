/** What the offline model answers to each example, request by request, so that the example has something to show. */
import { ScriptedModel } from "@effect-codex/testing"
import { Effect } from "effect"

export interface Script {
  /** All of them are asked for. */
  readonly answers: ReadonlyArray<ScriptedModel.ScriptedAnswer>
  /** Further ones, which the example may interrupt before they are asked for. */
  readonly optional?: ReadonlyArray<ScriptedModel.ScriptedAnswer>
}

const { exec, functionCall, httpFailure, reply, text } = ScriptedModel
const usage = { input: 100, output: 20 }

// An answer that begins and goes on until codex hangs up.
const endless = Effect.runSync(Effect.map(ScriptedModel.gate, (gate) => text(["1\n", gate])))

const patch = (name: string) =>
  exec(`apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: ${name}\n+hello\n*** End Patch\nEOF`)

/** What became of the patch and the command of an example with approvals, as codex told the model. */
const decided = ({ toolOutputs }: ScriptedModel.ModelRequest): string => {
  const [isWritten, isDeleted] = toolOutputs.map(({ output }) => !output.includes("rejected"))
  return `${isWritten ? "Written" : "Not written"}, and the rest ${isDeleted ? "is deleted" : "stays"}.`
}

export const scripts: { readonly [example: string]: Script } = {
  "hello.ts": { answers: ["Hello!"] },
  "01-first-turn.ts": { answers: ["Hello!"] },
  "02-turn-result.ts": { answers: [reply([exec("ls")], { usage }), reply(["There are none."], { usage })] },
  "03-stream-events.ts": { answers: [exec("ls"), text(["There are ", "none."])] },
  "04-models-and-server.ts": { answers: [] },
  "05-resume.ts": { answers: ["I will.", "Green."] },
  "06-thread-lifecycle.ts": { answers: ["One.", "Two.", "Three.", "They said two words."] },
  "07-image.ts": { answers: ["Red."] },
  "08-local-image.ts": { answers: ["Red."] },
  // Both turns run at once, so that the answers do not depend on which asks first.
  "09-from-promises.ts": { answers: ["A number.", "A number."] },
  "10-retry-and-errors.ts": {
    answers: [httpFailure(500, "try later"), "Hello!", httpFailure(429, { error: { type: "usage_limit_reached" } })]
  },
  "11-chat.ts": { answers: [reply(["Hello!"], { usage }), reply([text(["Green, ", "of course."])], { usage })] },
  "12-structured-output.ts": {
    answers: [
      `{ "value": [{ "name": "Linz", "inhabitants": "many" }] }`,
      `{ "value": [
        { "name": "Linz", "inhabitants": 213000, "river": "Danube" },
        { "name": "Eisenstadt", "inhabitants": 16000, "river": null }
      ] }`,
      `{ "name": "Rattenberg" }`
    ]
  },
  "13-choose-a-model.ts": { answers: ["101.", "103."] },
  "14-steer-and-interrupt.ts": { answers: [endless, "You told me to."], optional: [endless, endless] },
  "15-login.ts": { answers: [] },
  "16-goal.ts": { answers: ["A first haiku.", functionCall("update_goal", { status: "complete" }), "A better haiku."] },
  "17-approvals.ts": { answers: [patch("haiku.txt"), exec("rm -rf other"), decided] },
  "18-tools.ts": {
    answers: [
      functionCall("weather", { town: "Linz" }),
      functionCall("weather", { town: "Rust" }),
      "In Linz it has 21 degrees; of Rust I know nothing."
    ]
  },
  "19-telemetry.ts": { answers: [reply(["Hello!"], { usage })] },
  "20-review-bot.ts": {
    answers: [
      exec("ls"),
      `{ "verdict": "request changes", "findings": [{ "file": "stats.ts", "line": 1, "problem": "there may be none" }] }`
    ]
  },
  "21-promise.ts": {
    answers: [
      patch("haiku.txt"),
      exec("rm -rf other"),
      text(["Written, ", "and the rest stays."]),
      `{}`,
      `{ "syllables": [5, 7, 5] }`
    ],
    optional: [endless]
  },
  "22-effect-ai.ts": { answers: [functionCall("weather", { town: "Linz" }), "21 degrees.", "For shorts, yes."] },
  "23-checkpoints.ts": { answers: [exec("echo 4 >> numbers.txt"), "Done.", exec("echo 3 >> numbers.txt"), "Done."] }
}
