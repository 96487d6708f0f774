import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"
import * as Methods from "../src/Methods.ts"
import * as Received from "../src/Received.ts"
import * as Sent from "../src/Sent.ts"

const tables = {
  clientRequests: Methods.clientRequests,
  serverRequests: Methods.serverRequests,
  serverNotifications: Methods.serverNotifications,
  clientNotifications: Methods.clientNotifications
}

describe("Methods", () => {
  it("know the version of the pinned binary", () => {
    const { version } = createRequire(import.meta.url)("@openai/codex/package.json")
    assert.strictEqual(Methods.codexVersion, version)
  })

  it("tell stable methods from experimental ones", () => {
    assert.strictEqual(Methods.clientRequests["thread/start"].stability, "stable")
    assert.strictEqual(Methods.clientRequests["turn/start"].stability, "stable")
    assert.strictEqual(Methods.clientRequests["process/spawn"].stability, "experimental")
    assert.strictEqual(Methods.clientRequests["thread/timeline/list"].stability, "experimental")
  })

  it("hold what only older servers have", () => {
    assert.strictEqual(Methods.serverRequests["currentTime/read"].params, Received.CurrentTimeReadParams)
    assert.isTrue(Schema.is(Methods.serverRequests["currentTime/read"].result())({ currentTimeAt: 1 }))
  })

  it("find nothing but methods", () => {
    for (const table of Object.values(tables)) {
      for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "thread/nope", ""]) {
        assert.isFalse(name in table)
        assert.isUndefined(Reflect.get(table, name))
      }
      assert.isTrue(Object.isFrozen(table))
    }
    assert.isTrue(Methods.isServerNotification("turn/completed"))
    assert.isFalse(Methods.isServerNotification("__proto__"))
    assert.isTrue(Methods.isServerRequest("item/tool/call"))
    assert.isFalse(Methods.isServerRequest("constructor"))
    assert.isTrue(Methods.isClientRequest("thread/start"))
    assert.isTrue(Methods.isClientNotification("initialized"))
  })

  it("take undefined where a method has no params", () => {
    const logout: Methods.ClientRequests["account/logout"]["params"] = undefined
    assert.isTrue(Schema.is(Methods.clientRequests["account/logout"].params())(logout))
    assert.isFalse(Schema.is(Methods.clientRequests["account/logout"].params())({}))
    const rateLimits = Schema.is(Methods.clientRequests["account/rateLimits/read"].params())
    assert.isTrue(rateLimits(undefined) && rateLimits({}))
  })

  it("use the schemas of Sent and Received", () => {
    assert.strictEqual(Methods.clientRequests["thread/start"].params, Sent.ThreadStartParams)
    assert.strictEqual(Methods.clientRequests["thread/start"].result, Received.ThreadStartResponse)
    assert.strictEqual(Methods.serverRequests["item/tool/call"].params, Received.DynamicToolCallParams)
    assert.strictEqual(Methods.serverRequests["item/tool/call"].result, Sent.DynamicToolCallResponse)
  })

  it("give the five names that mean two things to the current one", () => {
    const modules: ReadonlyArray<object> = [Sent, Received]
    const names = [
      "ExecPolicyAmendment",
      "NetworkPolicyAmendment",
      "NetworkPolicyRuleAction",
      "SessionSource",
      "WebSearchAction"
    ]
    for (const name of names) {
      assert.isTrue(modules.some((module) => name in module), name)
      assert.isTrue(modules.some((module) => `${name}Core` in module), name)
    }
    assert.isTrue(Schema.is(Received.WebSearchAction())({ type: "openPage", url: null }))
    assert.isFalse(Schema.is(Received.WebSearchAction())({ type: "openPage", url: 1 }))
    assert.isFalse(Schema.is(Received.WebSearchActionCore())({ type: "open_page", url: 1 }))
  })
})
