/** The page of a session on the real codex. */
import { Report } from "@effect-codex/report"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { layer, session } from "./support/session.ts"

describe("the page of a session", () => {
  it.live("has what the agent said and did, who decided, what it cost, and what went wrong", () =>
    Effect.gen(function*() {
      const { view } = yield* session
      const page = Report.render(view, { price: () => Option.some(0.01) })
      const text = page.replaceAll(/<style>[^]*?<\/style>|<script>[^]*?<\/script>|<[^>]*>/g, " ").replaceAll(
        /\s+/g,
        " "
      )
      for (
        const expected of [
          "Refuse what is no number",
          "Files 2 +8 −2",
          "Commands 4",
          "Subagents 1",
          "Decisions 2",
          "Cost $0.0900",
          "The usage limit of the account is reached",
          "Tokens of 9 calls of the model",
          "Waiting for a decision",
          "$ cat src/parse.ts",
          "$ cat test/parse.test.ts",
          "May it run the command? accept by the client",
          "May it run the command? decline by the client",
          "No other caller depends on NaN.",
          "✓ Read the parser",
          "src/parse.ts update +3 −2",
          "throws a TypeError that names the text"
        ]
      ) {
        assert.include(text, expected)
      }
      assert.include(page, "<table>")
      assert.include(page, "href=\"https://developer.mozilla.org/")
    }).pipe(Effect.provide(layer), Effect.provide(NodeServices.layer)))
})
