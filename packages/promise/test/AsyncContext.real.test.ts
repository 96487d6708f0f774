/** The async context in which the callbacks of a program are called: that of the call which was given them. */
import {
  ApprovalMode,
  type CodexOptions,
  Elicitation,
  type Handlers,
  Hooks,
  Sandbox,
  type StartThreadOptions,
  type StructuredOutput,
  tool,
  toolNamespace,
  type ToolOptions,
  type TurnOptions
} from "@effect-codex/promise"
import { mcpServer } from "@effect-codex/test-support/files"
import { onTcp } from "@effect-codex/test-support/servers"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { AsyncLocalStorage } from "node:async_hooks"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Context, type Options, real, rejection } from "./support/real.ts"

const { exec, functionCall } = ScriptedModel

/** The functions among options, by their paths. */
type Callbacks<T, Path extends string = ""> = T extends (...args: never) => unknown ? Path
  : T extends string | ReadonlyArray<unknown> | AbortSignal ? never
  : T extends object ? { [K in keyof T & string]: Callbacks<T[K], `${Path}.${K}`> }[keyof T & string]
  : never

/** A JSON object is no place for functions, a protocol's method stands for all, and schemas of Effect have their context. */
type Client = Callbacks<Omit<CodexOptions, "capabilities" | "configOverrides" | "handlers">>
type Handler = Callbacks<Omit<Handlers, "requests">> | ".requests"
type Thread = Callbacks<Omit<StartThreadOptions, "config" | "handlers" | "tools">>
type Turn = Callbacks<Omit<TurnOptions, "handlers" | "outputSchema">>
type Output = Callbacks<Extract<StructuredOutput<unknown>["output"], { readonly decode: unknown }>, ".output">
type Tool = Callbacks<Omit<ToolOptions<unknown>, "input">>

const store = new AsyncLocalStorage<string>()

/** Calls something with `given` as what the store holds, and gives what the store holds in the callback that it is given. */
const inside = async (act: (seen: () => void) => Promise<unknown>): Promise<string | undefined> => {
  const seen: Array<string | undefined> = []
  await store.run("elsewhere", () => act(() => seen.push(store.getStore())))
  assert.isNotEmpty(seen)
  return seen.every((value) => value === seen[0]) ? seen[0] : seen.join()
}

const given = <A>(f: () => A): A => store.run("given", f)

interface Case {
  readonly options?: Options
  readonly act: (context: Context, seen: () => void) => Promise<unknown>
}

const asking: StartThreadOptions = { approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly }
const escalated = exec("true", { args: { sandbox_permissions: "require_escalated", justification: "why not" } })
const patch = exec("apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: a.txt\n+a\n*** End Patch\nEOF")

const asker: Options = {
  home: {
    config: {
      mcp_servers: {
        asker: {
          required: true,
          command: process.execPath,
          args: [mcpServer]
        }
      }
    }
  }
}
const callOf = (name: string, input: Parameters<typeof functionCall>[1]) =>
  functionCall(name, input, { namespace: "mcp__asker" })

/** A turn in which codex asks, with handlers that are given with it. */
const turn = (
  answer: ScriptedModel.Answer,
  handlers: (seen: () => void) => Handlers,
  { options, thread: settings }: { readonly options?: Options; readonly thread?: StartThreadOptions } = {}
): Case => ({
  ...options && { options },
  act: async ({ codex, model }, seen) => {
    const thread = await codex.startThread({ ...asking, ...settings })
    await model.enqueue(answer, "done")
    await given(() => thread.run("Go.", { handlers: handlers(seen) }))
  }
})

const decline = (seen: () => void) => async () => {
  seen()
  return "decline" as const
}

const ofHandlers: { readonly [Path in Handler]: Case } = {
  ".approvals": turn([escalated], (seen) => ({
    approvals: async () => {
      seen()
      return false
    }
  })),
  ".approvals.command": turn([escalated], (seen) => ({ approvals: { command: decline(seen) } })),
  ".approvals.fileChange": turn(
    patch,
    (seen) => ({ approvals: { fileChange: decline(seen) } })
  ),
  ".approvals.permissions": turn(
    functionCall("request_permissions", { reason: "to fetch", permissions: { network: { enabled: true } } }),
    (seen) => ({ approvals: { permissions: decline(seen) } }),
    { options: { home: { config: { features: { request_permissions_tool: true } } } } }
  ),
  ".approvals.mcpTool": turn(
    callOf("change", { file: "a.txt" }),
    (seen) => ({ approvals: { mcpTool: decline(seen) } }),
    {
      options: asker
    }
  ),
  ".questions": turn(
    functionCall("request_user_input", {
      questions: [{
        id: "colour",
        header: "Colour",
        question: "Which colour?",
        options: [{ label: "Red (Recommended)", description: "warm" }, { label: "Blue", description: "cold" }]
      }]
    }),
    (seen) => ({
      questions: async ({ questions }) => {
        seen()
        return { [questions[0]!.id]: "Blue" }
      }
    }),
    { thread: { config: { features: { default_mode_request_user_input: true } } } }
  ),
  ".elicitation": turn(
    callOf("ask", {
      message: "Who are you?",
      requestedSchema: { type: "object", properties: { name: { type: "string" } } }
    }),
    (seen) => ({
      elicitation: async () => {
        seen()
        return Elicitation.decline
      }
    }),
    { options: asker }
  ),
  ".requests": turn([escalated], (seen) => ({
    requests: {
      "item/commandExecution/requestApproval": async () => {
        seen()
        return { decision: "decline" }
      }
    }
  }))
}

const withHooks = (hooks: (seen: () => void) => CodexOptions["hooks"]): Case => ({
  act: async ({ model, open }, seen) => {
    const codex = given(() => open({ hooks: hooks(seen) }))
    await model.enqueue(exec("true"), "done")
    await (await codex.startThread({ sandbox: Sandbox.fullAccess })).run("Go.")
  }
})

const allowing = (seen: () => void) => async () => {
  seen()
  return Hooks.allow
}

const ofClient: { readonly [Path in Client]: Case } = {
  ".hooks.preToolUse": withHooks((seen) => ({ preToolUse: allowing(seen) })),
  ".hooks.postToolUse": withHooks((seen) => ({ postToolUse: allowing(seen) })),
  ".hooks.userPromptSubmit": withHooks((seen) => ({ userPromptSubmit: allowing(seen) })),
  ".hooks.sessionStart": withHooks((seen) => ({ sessionStart: allowing(seen) })),
  ".hooks.stop": withHooks((seen) => ({ stop: allowing(seen) })),
  ".onLog": {
    act: async ({ model, open }, seen) => {
      const codex = given(() => open({ onLog: seen }))
      const handlers = { approvals: () => Promise.reject(new Error("broken handler")) }
      const thread = await codex.startThread({ ...asking, handlers })
      await model.enqueue([escalated], "done")
      await thread.run("Go.")
    }
  },
  ".chatgptTokens": {
    act: async ({ open }, seen) => {
      const codex = given(() =>
        open({
          chatgptTokens: () => {
            seen()
            return Promise.reject(new Error("no vault"))
          }
        })
      )
      await rejection(codex.serverInfo())
    }
  },
  ".pricing": {
    act: async ({ model, open }, seen) => {
      const pricing = () => {
        seen()
        return 1
      }
      const codex = given(() => open({ pricing }))
      const thread = await codex.startThread()
      await model.enqueue(ScriptedModel.reply(["done"], { usage: { input: 1 } }))
      assert.strictEqual((await thread.run("Go.")).cost, 1)
    }
  },
  ".connect.token": {
    act: async ({ acquire, home, open }, seen) => {
      const file = join(home.path, "token")
      writeFileSync(file, "s3cret", { mode: 0o600 })
      const { url } = await acquire(onTcp(["--ws-auth", "capability-token", "--ws-token-file", file]))
      const token = async () => {
        seen()
        return "s3cret"
      }
      await given(() => open({ connect: { url, token } })).serverInfo()
    }
  }
}

const withTool = (make: (seen: () => void) => ReturnType<typeof tool>): Case => ({
  act: async ({ codex, model }, seen) => {
    // What fibers are woken by has the context of the call that started codex.
    await codex.serverInfo()
    const made = make(seen)
    const thread = await given(() => codex.startThread({ tools: [toolNamespace("mine", "Mine.", [made])] }))
    await model.enqueue(functionCall("paint", { colour: "red" }, { namespace: "mine" }), "done")
    await thread.run("Paint.")
  }
})

const jsonSchema = { type: "object", properties: { colour: { type: "string" } }, required: ["colour"] }

const ofTools: { readonly [Path in Tool | ".input.decode"]: Case } = {
  ".handler": withTool((seen) =>
    tool("paint", {
      description: "Paints.",
      input: { jsonSchema, decode: (value) => ({ ok: true, value }) },
      handler: () => {
        seen()
        return "painted"
      }
    })
  ),
  ".input.decode": withTool((seen) =>
    tool("paint", {
      description: "Paints.",
      input: {
        jsonSchema,
        decode: (value) => {
          seen()
          return { ok: true, value }
        }
      },
      handler: () => "painted"
    })
  )
}

const ofTurns: { readonly [Path in Thread | Turn | Output]: Case } = {
  ".output.decode": {
    act: async ({ codex, model }, seen) => {
      const thread = await codex.startThread()
      await model.enqueue(`{"colour":"red"}`)
      const output = {
        jsonSchema,
        decode: (value: unknown) => {
          seen()
          return { ok: true as const, value }
        }
      }
      await given(() => thread.run("Answer.", { output }))
    }
  }
}

describe("the async context of the call that was given it is there in", () => {
  const all = { ...ofClient, ...ofHandlers, ...ofTools, ...ofTurns }
  for (const [path, { act, options }] of Object.entries(all)) {
    real(path.slice(1), async (context) => {
      assert.strictEqual(await inside((seen) => act(context, seen)), "given")
    }, options)
  }

  real("the validation of a Standard Schema", async ({ codex, model }) => {
    const seen: Array<unknown> = []
    const output = {
      "~standard": {
        version: 1 as const,
        vendor: "mine",
        validate: (value: unknown) => {
          seen.push(store.getStore())
          return { value }
        },
        jsonSchema: { input: () => jsonSchema, output: () => jsonSchema }
      }
    }
    const thread = await codex.startThread()
    await model.enqueue(`{"colour":"red"}`)
    await given(() => thread.run("Answer.", { output }))
    assert.deepStrictEqual(seen, ["given"])
  })

  real("the listeners of a handler's signal", async ({ model, open }) => {
    const aborted = Promise.withResolvers<unknown>()
    const handlers: Handlers = {
      approvals: (_, { signal }) =>
        new Promise(() => signal.addEventListener("abort", () => aborted.resolve(store.getStore())))
    }
    const thread = await open({ handlerTimeout: 50 }).startThread(asking)
    await model.enqueue([escalated], "done")
    await given(() => thread.run("Go.", { handlers }))
    assert.strictEqual(await aborted.promise, "given")
  })

  real("the loop over events", async ({ codex, model }) => {
    const thread = await codex.startThread()
    await model.enqueue("done")
    const seen = new Set<unknown>()
    await given(async () => {
      const turn = await thread.turn("Go.")
      for await (const _ of turn.events) seen.add(store.getStore())
    })
    assert.deepStrictEqual([...seen], ["given"])
  })
})
