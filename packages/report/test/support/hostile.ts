/** Texts that try to become more than text, and a session in which one of them stands wherever others write. */
import { ServerNotification, ThreadView } from "@effect-codex/client"
import { Effect } from "effect"

/** By what each tries. */
export const texts: Readonly<Record<string, string>> = {
  "a script": "<script>window.pwned = 1</script>",
  "an event attribute": `"><img src=x onerror="window.pwned = 1">`,
  "an event attribute in single quotes": `'><svg onload='window.pwned = 1'>`,
  "the end of all that is open":
    "</pre></code></td></details></article></section></main></body></html><script>pwned=1</script>",
  "the end of the title and of the style": "</title></style></script><script>window.pwned = 1</script>",
  "a link that is a script": "[click](javascript:window.pwned=1) <javascript:window.pwned=1> [x](JaVa\tScript:pwned=1)",
  "a link that is a page of its own":
    "[click](data:text/html;base64,PHNjcmlwdD4=) [v](vbscript:x) [f](file:///etc/passwd)",
  "an image that is asked for":
    "![x](https://tracker.example/p.png) ![y](javascript:1) <img src='https://tracker.example'>",
  "Markdown that holds HTML":
    "<div style='position:fixed'>\n\n# x\n\n<iframe src='https://evil.example'></iframe>\n\n</div>",
  "entities": "&lt;script&gt;pwned=1&lt;/script&gt; &#60;img src=x onerror=pwned=1&#62; &#8238;",
  "a reference": "[a]: javascript:window.pwned=1\n\n[a] [b][a]",
  "a template": "{{constructor.constructor('pwned=1')()}} ${pwned=1} <%= pwned %>",
  "escape sequences":
    "\u001B[31mred\u001B[0m \u001B]8;;https://evil.example\u0007link\u001B]8;;\u0007 \u001B]52;c;cHduZWQ=\u0007 \u009B2J",
  "a changed direction": "access \u202E level \u2066 user \u2069 \u200F \uFEFF zero\u200Bwidth \u{E0041}tag",
  "what no text may have": "nul \0 half \uD800 backspace \b vertical \v",
  "a line without an end": "x".repeat(200_000)
}

/** The raw notifications of a session in which `text` stands wherever the model, a tool or the server writes. */
export const frames = (text: string): ReadonlyArray<readonly [method: string, params: unknown]> => {
  const of = { threadId: "thread", turnId: "turn" }
  const times = { startedAtMs: 1000, completedAtMs: 2000 }
  const item = (fields: object) => ["item/completed", { ...of, item: fields, ...times }] as const
  const started = (id: string, threadId: string, turnId: string) =>
    [
      "turn/started",
      {
        threadId,
        turn: {
          id: turnId,
          rootTurnId: id,
          items: [],
          itemsView: "notLoaded",
          status: "inProgress",
          error: null,
          startedAt: 1,
          completedAt: null,
          durationMs: null
        }
      }
    ] as const
  return [
    started("turn", "thread", "turn"),
    item({
      type: "userMessage",
      id: `user ${text}`,
      clientId: null,
      content: [
        { type: "text", text, text_elements: [] },
        { type: "localImage", path: text },
        { type: "image", url: text },
        { type: "skill", name: text, path: text }
      ]
    }),
    item({
      type: "agentMessage",
      moderation: null,
      id: "agent",
      text,
      phase: null,
      memoryCitation: null,
      delivery: null,
      questions: null
    }),
    item({ type: "reasoning", id: "reasoning", summary: [text], content: [text] }),
    item({ type: "plan", id: "plan", text }),
    item({
      type: "commandExecution",
      id: `command ${text}`,
      pluginId: null,
      scriptPath: null,
      command: text,
      cwd: text,
      processId: text,
      source: "agent",
      status: "failed",
      commandActions: [],
      aggregatedOutput: text,
      exitCode: 1,
      durationMs: 5
    }),
    item({
      type: "fileChange",
      id: "files",
      status: "completed",
      changes: [
        { path: text, kind: { type: "add" }, diff: text },
        { path: text, kind: { type: "delete" }, diff: text },
        { path: text, kind: { type: "update", move_path: text }, diff: `@@ -1 +1 @@ ${text}\n-${text}\n+${text}` },
        { path: "b", kind: { type: "update", move_path: null }, diff: text },
        { path: text, kind: { type: text }, diff: text }
      ]
    }),
    item({
      type: "mcpToolCall",
      id: "mcp",
      server: text,
      environmentId: null,
      tool: text,
      status: "failed",
      arguments: { [text]: text },
      appContext: null,
      mcpAppUi: null,
      pluginId: null,
      readOnlyHint: null,
      result: { content: [{ type: "text", text }], structuredContent: null, _meta: null },
      error: { message: text },
      durationMs: 1
    }),
    item({
      type: "dynamicToolCall",
      id: "dynamic",
      namespace: null,
      tool: text,
      arguments: text,
      status: "completed",
      contentItems: [{ type: "inputText", text }, { type: "inputImage", imageUrl: text }],
      success: true,
      durationMs: 1
    }),
    item({ type: "webSearch", id: "search", query: text, action: null, results: [text] }),
    item({ type: "imageView", id: "image", path: text }),
    item({ type: "enteredReviewMode", id: "review", review: text }),
    item({ type: `new ${text}`, id: "new", name: text, anything: { [text]: text } }),
    item({
      type: "collabAgentToolCall",
      id: "spawn",
      tool: "spawnAgent",
      status: "completed",
      senderThreadId: "thread",
      receiverThreadIds: ["child"],
      prompt: text,
      model: text,
      reasoningEffort: null,
      agentsStates: { child: { status: "running", message: text } }
    }),
    started("child-turn", "child", "child-turn"),
    [
      "item/completed",
      {
        threadId: "child",
        turnId: "child-turn",
        item: {
          type: "agentMessage",
          moderation: null,
          id: "agent",
          text,
          phase: null,
          memoryCitation: null,
          delivery: null,
          questions: null
        },
        ...times
      }
    ],
    ["turn/plan/updated", { ...of, explanation: text, plan: [{ step: text, status: "pending" }] }],
    ["thread/name/updated", { threadId: "thread", threadName: text }],
    ["mcpServer/startupStatus/updated", { threadId: "thread", name: text, status: "failed", error: text }],
    ["warning", { threadId: "thread", message: text }],
    [`new/${text}`, { threadId: "thread", text }],
    [
      "error",
      {
        ...of,
        error: { message: text, codexErrorInfo: null, additionalDetails: text, misalignment: null },
        willRetry: true
      }
    ],
    [
      "turn/completed",
      {
        threadId: "thread",
        turn: {
          id: "turn",
          rootTurnId: "turn",
          items: [],
          itemsView: "notLoaded",
          status: "failed",
          error: { message: text, codexErrorInfo: null, additionalDetails: null, misalignment: null },
          startedAt: 1,
          completedAt: 3,
          durationMs: 2000
        }
      }
    ]
  ]
}

/** The view of that session. */
export const view = (text: string): Effect.Effect<ThreadView.ThreadView> =>
  Effect.map(ServerNotification.decode, (decode) => {
    let now = ThreadView.make("thread")
    const take = (event: ThreadView.Event, at: number) => {
      now = ThreadView.apply(now, event, at)
    }
    frames(text).forEach(([method, params], i) => take(decode({ _tag: method, params }), 1000 + 10 * i))
    const params = {
      threadId: "thread",
      turnId: "turn",
      itemId: `command ${text}`,
      command: text,
      reason: text,
      cwd: text
    }
    take({ _tag: "ServerRequest", id: 1, method: "item/commandExecution/requestApproval", params }, 1500)
    take({ _tag: "ServerRequestAnswer", id: 1, answer: { result: { decision: text } } }, 1600)
    take({ _tag: "ServerRequest", id: 2, method: "item/fileChange/requestApproval", params }, 1500)
    return now
  })
