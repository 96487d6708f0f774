/** Snapshots around turns of the real codex. */
import { CheckpointError, type Checkpoints, InvalidArgument, Sandbox } from "@effect-codex/promise"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { gate, real, rejection, run } from "./support/real.ts"

describe("checkpoints", () => {
  real("tell what a turn changed, and go back", async ({ codex, home, model }) => {
    const path = `${home.workspace}/notes.txt`
    writeFileSync(path, "1\n")
    const options = { folder: home.workspace, directory: `${home.path}/checkpoints` }
    const checkpoints = await codex.checkpoints(options)
    await model.enqueue(ScriptedModel.exec("echo 2 >> notes.txt; echo new > new.txt"), "Done.")
    const thread = await codex.startThread({ sandbox: Sandbox.workspaceWrite })
    const turn = await checkpoints.track(thread, () => thread.run("Go."))
    assert.deepStrictEqual(
      (await checkpoints.changes(turn.id)).map(({ insertions, kind, path }) => [kind, path, insertions]),
      [["added", "new.txt", 1], ["modified", "notes.txt", 1]]
    )
    assert.include(await checkpoints.diff(turn.id), "+2\n")
    const [only, ...others] = await checkpoints.list({ threadId: thread.id })
    assert.lengthOf(others, 0)
    assert.deepInclude(only, { threadId: thread.id, turnIds: [turn.id], isFinished: true })
    assert.instanceOf(only?.createdAt, Date)
    assert.strictEqual((await checkpoints.rewind(turn.id, { dryRun: true })).id, undefined)
    assert.isTrue(existsSync(`${home.workspace}/new.txt`))
    const { id } = await checkpoints.rewind(turn.id)
    assert.strictEqual(readFileSync(path, "utf8"), "1\n")
    // A later program, and the undo of the rewind.
    const again = await codex.checkpoints(options)
    await again.rewind(id ?? "")
    assert.strictEqual(readFileSync(path, "utf8"), "1\n2\n")
    assert.isAtLeast(await again.forget({ keepLast: 0 }), 3)
  })

  real("are also taken when the signal aborts, after the turn has ended", async ({ codex, home, model }) => {
    const checkpoints = await codex.checkpoints({ folder: home.workspace, directory: `${home.path}/checkpoints` })
    const hold = await gate()
    await model.enqueue(ScriptedModel.exec("echo 1 > one"), [hold])
    const thread = await codex.startThread({ sandbox: Sandbox.workspaceWrite })
    const abort = new AbortController()
    const tracked = rejection(
      checkpoints.track(thread, ({ signal }) => thread.run("Go.", { signal }), { signal: abort.signal })
    )
    await model.received(2)
    abort.abort(new Error("enough"))
    assert.strictEqual((await tracked as Error).message, "enough")
    assert.strictEqual(await model.outcome(1), "abandoned")
    const [checkpoint] = await checkpoints.list()
    assert.deepStrictEqual(
      (await checkpoints.changes(checkpoint?.turnIds[0] ?? "")).map(({ path }) => path),
      ["one"]
    )
    await run(hold.release)
  })

  real("reject with typed errors, and with what the function rejects with", async ({ codex, home }) => {
    const inside = await rejection(codex.checkpoints({ folder: home.workspace, directory: `${home.workspace}/in` }))
    assert.instanceOf(inside, CheckpointError)
    assert.strictEqual(inside.reason, "folder")
    const wrong = { folder: home.workspace } as never
    assert.instanceOf(await rejection(codex.checkpoints(wrong)), InvalidArgument)
    assert.instanceOf(await rejection(codex.checkpoints(undefined as never)), InvalidArgument)
    const checkpoints: Checkpoints = await codex.checkpoints({
      folder: home.workspace,
      directory: `${home.path}/checkpoints`
    })
    const thread = await codex.startThread()
    const own = new Error("my own")
    assert.strictEqual(await rejection(checkpoints.track(thread, () => Promise.reject(own))), own)
    assert.instanceOf(
      await rejection(checkpoints.track({ id: "x" } as never, () => Promise.resolve())),
      InvalidArgument
    )
    assert.instanceOf(await rejection(checkpoints.track(thread, 5 as never)), InvalidArgument)
    const missing = await rejection(checkpoints.changes("none"))
    assert.instanceOf(missing, CheckpointError)
    assert.strictEqual(missing.reason, "notFound")
  })
})
