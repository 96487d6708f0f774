/** What a page is made of, whatever the session says. */
import { ServerNotification, ThreadView } from "@effect-codex/client"
import { Report } from "@effect-codex/report"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Crypto from "node:crypto"
import * as Parse5 from "parse5"
import type { DefaultTreeAdapterTypes as Tree } from "parse5"
import * as Hostile from "./support/hostile.ts"

const elementsOf = (node: Tree.Node): ReadonlyArray<Tree.Element> => [
  ...("tagName" in node ? [node] : []),
  ...("childNodes" in node ? node.childNodes.flatMap(elementsOf) : [])
]

const textOf = (node: Tree.Node): string =>
  "value" in node ? node.value : "childNodes" in node ? node.childNodes.map(textOf).join("") : ""

const parse = (page: string): Tree.Document => {
  const errors: Array<string> = []
  const document = Parse5.parse(page, { onParseError: ({ code }) => errors.push(code) })
  assert.deepStrictEqual(errors, [])
  return document
}

const attributesOf = ({ attrs }: Tree.Element) => Object.fromEntries(attrs.map(({ name, value }) => [name, value]))

/** What a page may consist of. Nothing of it asks anybody for anything. */
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  html: ["lang"],
  head: [],
  meta: ["charset", "http-equiv", "content", "name"],
  title: [],
  style: [],
  script: [],
  body: [],
  nav: ["aria-label"],
  a: ["href", "rel", "target"],
  svg: ["viewBox", "preserveAspectRatio", "role", "class"],
  rect: ["class", "x", "y", "width", "height"],
  line: ["class", "x1", "x2", "y1", "y2"],
  details: ["open"],
  section: ["class", "id"],
  article: ["class", "id"],
  header: ["id"],
  div: ["class", "id"],
  ol: ["start"],
  code: ["class"],
  th: ["style"],
  td: ["style"],
  ...Object.fromEntries(
    [
      "main",
      "footer",
      "h1",
      "h2",
      "h3",
      "h4",
      "h5",
      "h6",
      "p",
      "ul",
      "li",
      "dl",
      "dt",
      "dd",
      "pre",
      "em",
      "strong",
      "s"
    ]
      .concat([
        "table",
        "tbody",
        "thead",
        "tr",
        "span",
        "time",
        "figure",
        "figcaption",
        "i",
        "kbd",
        "summary",
        "hr",
        "br"
      ])
      .concat(["blockquote"])
      .map((name) => [name, ["class", "id"]])
  )
}

const checkHarmless = (document: Tree.Document): void => {
  const elements = elementsOf(document)
  for (const element of elements) {
    const { tagName } = element
    const attributes = attributesOf(element)
    assert.include(Object.keys(allowed), tagName)
    for (const name of Object.keys(attributes)) assert.include(allowed[tagName], name, tagName)
    const { href } = attributes
    if (href !== undefined) assert.match(href, /^(?:#[\w-]+$|https?:\/\/|mailto:)/)
    if (href !== undefined && !href.startsWith("#")) assert.include(attributes["rel"], "noopener")
  }
  assert.lengthOf(elements.filter(({ tagName }) => tagName === "script"), 1)
  assert.lengthOf(elements.filter(({ tagName }) => tagName === "style"), 1)
}

/** The elements and their classes, without what Markdown and the lines of a diff are made of. */
const skeletonOf = (node: Tree.Node): unknown => {
  if (!("childNodes" in node)) return []
  const children = node.childNodes.filter((child) => "tagName" in child)
  if (!("tagName" in node)) return children.map(skeletonOf)
  const { class: name = "" } = attributesOf(node)
  return name === "md" || name === "diff" ? [name] : [node.tagName, name, children.map(skeletonOf)]
}

describe("a hostile session", () => {
  for (const [what, text] of Object.entries(Hostile.texts)) {
    it.effect(`that has ${what} in every place is a page of the same parts, and nothing of it runs`, () =>
      Effect.gen(function*() {
        const document = parse(Report.render(yield* Hostile.view(text)))
        checkHarmless(document)
        const harmless = parse(Report.render(yield* Hostile.view("nothing of note")))
        assert.deepStrictEqual(skeletonOf(document), skeletonOf(harmless))
      }))
  }

  it.effect("shows what it hides, and cannot change the direction of what is around it", () =>
    Effect.gen(function*() {
      for (const what of ["a changed direction", "escape sequences", "what no text may have", "entities"]) {
        const page = Report.render(yield* Hostile.view(Hostile.texts[what]!))
        assert.notMatch(page, /[[\p{Cc}\p{Cf}\p{Cs}]--[\n\t]]/v, what)
      }
      const text = textOf(parse(Report.render(yield* Hostile.view(Hostile.texts["a changed direction"]!))))
      assert.include(text, "access \\u{202e} level")
    }))

  it.effect("has a policy that lets no script and no style run but those of the page", () =>
    Effect.gen(function*() {
      const elements = elementsOf(parse(Report.render(yield* Hostile.view("text"))))
      const hashOf = (name: string) => {
        const text = textOf(elements.find(({ tagName }) => tagName === name)!)
        return `'sha256-${Crypto.createHash("sha256").update(text).digest("base64")}'`
      }
      const policy = elements.map(attributesOf).find((attributes) => "http-equiv" in attributes)!["content"]!
      assert.deepStrictEqual(policy.split("; "), [
        "default-src 'none'",
        `style-src ${hashOf("style")}`,
        `script-src ${hashOf("script")}`,
        "base-uri 'none'",
        "form-action 'none'"
      ])
    }))
})

describe("a page", () => {
  const render = (view: ThreadView.ThreadView, options?: Report.Options) => {
    const document = parse(Report.render(view, options))
    return { document, elements: elementsOf(document), text: textOf(document).replaceAll(/\s+/g, " ") }
  }

  it.effect("names every part once, and every link within it leads somewhere", () =>
    Effect.gen(function*() {
      const { elements } = render(yield* Hostile.view("some text"))
      const ids = elements.map(attributesOf).flatMap(({ id }) => id === undefined ? [] : [id])
      assert.strictEqual(new Set(ids).size, ids.length)
      const links = elements.map(attributesOf).flatMap(({ href }) =>
        href?.startsWith("#") === true ? [href.slice(1)] : []
      )
      assert.isAbove(links.length, 5)
      for (const link of links) assert.include(ids, link)
    }))

  it.effect("has the failure with what to do, the decision, the subagent where it was started, and the plan", () =>
    Effect.gen(function*() {
      const { document, elements, text } = render(yield* Hostile.view("some text"))
      assert.include(text, "Went wrong")
      assert.include(text, "May it run the command?")
      assert.include(text, "Waits for a decision")
      assert.include(text, "○ some text")
      const started = elements.filter((element) => attributesOf(element)["class"] === "item collabAgentToolCall")
      assert.lengthOf(started, 1)
      assert.include(textOf(started[0]!), "Subagent")
      // Once, not again at the end.
      assert.notInclude(textOf(document), "Other subagents")
    }))

  it.effect("shows the beginning and the end of what is too long", () =>
    Effect.gen(function*() {
      const long = `begin${"-".repeat(5000)}end`
      const page = Report.render(yield* Hostile.view(long), { maxOutput: 100 })
      assert.include(page, "4,908 characters left out")
      const outputs = elementsOf(parse(page)).filter(({ tagName }) => tagName === "pre").map((pre) =>
        textOf(pre).length
      )
      assert.isAtLeast(outputs.length, 8)
      // The command that a person has to decide on is whole.
      assert.deepStrictEqual(outputs.filter((length) => length > 200).length, 4)
    }))

  it("of nothing says so", () => {
    const text = textOf(parse(Report.render(ThreadView.empty)))
    assert.include(text, "A thread without events")
  })

  it.effect("is titled by the first message where codex has told no preview, as of a new thread", () =>
    Effect.gen(function*() {
      const decode = yield* ServerNotification.decode
      const said = (id: string, text: string) =>
        decode({
          _tag: "item/completed",
          params: {
            threadId: "thread",
            turnId: id,
            completedAtMs: 1,
            item: { type: "userMessage", id, content: [{ type: "text", text, text_elements: [] }] }
          }
        })
      const titleOf = (view: ThreadView.ThreadView) =>
        render(view).elements.filter(({ tagName }) => tagName === "title" || tagName === "h1").map(textOf)
      const empty = ThreadView.make("thread")
      assert.deepStrictEqual(titleOf(empty), ["thread", "thread"])
      const first = ThreadView.apply(empty, said("one", "\nFix the parser.\nAnd its tests."))
      assert.deepStrictEqual(titleOf(ThreadView.apply(first, said("two", "Go on."))), [
        "Fix the parser.",
        "Fix the parser."
      ])
    }))

  it.effect("has the tokens of each call of the model", () =>
    Effect.gen(function*() {
      const decode = yield* ServerNotification.decode
      const last = {
        totalTokens: 30,
        inputTokens: 20,
        cachedInputTokens: 5,
        cacheWriteInputTokens: 0,
        outputTokens: 10,
        reasoningOutputTokens: 4
      }
      const params = { threadId: "thread", turnId: "turn", tokenUsage: { last, total: last, modelContextWindow: 1000 } }
      const view = ThreadView.apply(
        yield* Hostile.view("text"),
        decode({ _tag: "thread/tokenUsage/updated", params }),
        2000
      )
      const { elements, text } = render(view)
      assert.include(text, "Tokens of 1 call of the model, at most 30 in a bar")
      const svg = elements.find((element) => attributesOf(element)["class"] === "tokens")!
      assert.deepStrictEqual(elementsOf(svg).filter(({ tagName }) => tagName === "title").map(textOf), [
        "5 cached input",
        "15 input",
        "4 reasoning",
        "6 output"
      ])
      // The model's prices are not known.
      assert.notInclude(text, "Cost")
    }))
})
