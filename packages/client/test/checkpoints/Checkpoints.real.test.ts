/** What the agent does in a folder, and the way back, on the real codex binary with a scripted model. */
import { ApprovalMode, Checkpoints, Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, type Scope } from "effect"
import { join } from "node:path"
import { git, hashOf, treeOf, write } from "../support/trees.ts"

const live = (
  name: string,
  test: Effect.Effect<
    void,
    unknown,
    Scope.Scope | CodexHome.CodexHome | ScriptedModel.ScriptedModel | Layer.Success<typeof NodeServices.layer>
  >
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide(
        CodexHome.layer().pipe(
          Layer.provideMerge(ScriptedModel.layer()),
          Layer.provideMerge(NodeServices.layer)
        )
      )
    ))

const inProcess = <A, E, R>(effect: Effect.Effect<A, E, R | Codex.Codex>) =>
  Effect.gen(function*() {
    const { env, workspace } = yield* CodexHome.CodexHome
    return yield* Effect.scoped(Effect.provide(effect, Layer.fresh(CodexNode.layer({ cwd: workspace, env }))))
  })

const startThread = Effect.flatMap(
  Codex.Codex,
  (codex) => codex.startThread({ sandbox: Sandbox.workspaceWrite, approvalMode: ApprovalMode.denyAll })
)

const patch = `apply_patch <<'EOF'
*** Begin Patch
*** Add File: patched.txt
+hello
*** Update File: a.txt
@@
-one
+ONE
*** End Patch
EOF`

const open = Effect.flatMap(
  CodexHome.CodexHome,
  ({ path, workspace }) => Checkpoints.make({ folder: workspace, directory: join(path, "checkpoints") })
)

describe("checkpoints", () => {
  live(
    "have what a command wrote and what a patch changed, and another program goes back",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const { workspace } = yield* CodexHome.CodexHome
      write(workspace, { "a.txt": "one\ntwo\n", "old.txt": "1\n" })
      git(workspace, "init", "-q")
      const [before, hash] = [treeOf(workspace), hashOf(join(workspace, ".git"))]
      yield* model.enqueue(
        ScriptedModel.exec("printf '1\\n2\\n' > written.txt && rm old.txt"),
        ScriptedModel.exec(patch),
        "done"
      )
      const id = yield* inProcess(Effect.gen(function*() {
        const checkpoints = yield* open
        const thread = yield* startThread
        const result = yield* thread.run("Go.").pipe(checkpoints.track(thread))
        const changes = yield* checkpoints.changes(result.id)
        assert.deepStrictEqual(
          changes.map(({ deletions, insertions, kind, path }) => [kind, path, insertions, deletions]),
          [
            ["modified", "a.txt", 1, 1],
            ["deleted", "old.txt", 0, 1],
            ["added", "patched.txt", 1, 0],
            ["added", "written.txt", 2, 0]
          ]
        )
        return result.id
      }))
      const checkpoints = yield* open
      yield* checkpoints.rewind(id)
      assert.deepStrictEqual(treeOf(workspace), before)
      assert.strictEqual(hashOf(join(workspace, ".git")), hash)
    })
  )

  live(
    "cover all turns of a goal, and are found by each of them",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const { workspace } = yield* CodexHome.CodexHome
      const done = ScriptedModel.functionCall("update_goal", { status: "complete" })
      yield* model.enqueue(ScriptedModel.exec("echo 1 > one"), "more", ScriptedModel.exec("echo 2 > two"), done, "done")
      yield* inProcess(Effect.gen(function*() {
        const checkpoints = yield* open
        const thread = yield* startThread
        const { id } = yield* thread.runGoal("Write two files.").pipe(checkpoints.track(thread))
        const [checkpoint] = yield* checkpoints.list({ threadId: thread.id })
        assert.lengthOf(checkpoint?.turnIds ?? [], 2)
        assert.include(checkpoint?.turnIds, id)
        for (const turnId of checkpoint?.turnIds ?? []) {
          assert.deepStrictEqual((yield* checkpoints.changes(turnId)).map(({ path }) => path), ["one", "two"])
        }
        assert.isTrue(Option.isSome((yield* checkpoints.rewind(id)).id))
        assert.deepStrictEqual(treeOf(workspace), {})
      }))
    })
  )
})
