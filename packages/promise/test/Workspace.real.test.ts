/** Files and commands of the server's machine, on the real codex. */
import { CommandError, FileError, Sandbox } from "@effect-codex/promise"
import * as Processes from "@effect-codex/test-support/processes"
import { assert, describe } from "@effect/vitest"
import { collect, real, rejection, until } from "./support/real.ts"

const sandbox = Sandbox.fullAccess
const runs = (mark: string, count: number) =>
  until(() => Processes.marked(mark).filter(({ args }) => args.startsWith("sleep")).length === count)

describe("the workspace", () => {
  real("has files", async ({ codex: { workspace }, home }) => {
    const path = `${home.workspace}/notes.txt`
    const events: Array<string> = []
    for await (const event of workspace.watch(path)) {
      events.push(event._tag)
      if (event._tag === "Changed") break
      await workspace.writeFile(path, "buy milk")
    }
    assert.deepStrictEqual(events, ["Started", "Changed"])
    assert.strictEqual(await workspace.readText(path), "buy milk")
    assert.instanceOf((await workspace.stat(path)).modifiedAt, Date)
    await workspace.createFolder(`${home.workspace}/a/b`)
    await workspace.remove(`${home.workspace}/a`, { recursive: true })
    assert.deepStrictEqual(await workspace.list(home.workspace), [{ name: "notes.txt", kind: "file" }])
    await using search = await workspace.searchFilesLive([home.workspace])
    await search.search("nts")
    for await (const { files } of search.results) {
      if (files.length === 0) continue
      assert.strictEqual(files[0]!.path, "notes.txt")
      break
    }
    const missing = await rejection(workspace.readText(`${home.workspace}/none`))
    assert.instanceOf(missing, FileError)
    assert.strictEqual(missing.reason, "notFound")
  })

  real("has commands, which end with their signal, their handle and their client", async ({ open }) => {
    const mark = Processes.newMark()
    try {
      const codex = open()
      const { workspace } = codex
      assert.deepStrictEqual(await workspace.run(["cat"], { sandbox, stdin: "hello" }), {
        exitCode: 0,
        stdout: "hello",
        stderr: "",
        isLimitReached: false
      })
      const missing = await rejection(workspace.exec(["no-such-program"], { sandbox }))
      assert.instanceOf(missing, CommandError)

      const cat = await workspace.exec(["cat"], { sandbox })
      await cat.write("one\n")
      await cat.closeStdin()
      assert.strictEqual((await cat.exit()).exitCode, 0)
      // Also after its end.
      assert.strictEqual(Buffer.concat(await collect(cat.stdout)).toString(), "one\n")

      const aborted = new AbortController()
      const running = rejection(workspace.run(["sleep", mark], { sandbox, signal: aborted.signal }))
      await runs(mark, 1)
      aborted.abort(new Error("enough"))
      assert.strictEqual(String(await running), "Error: enough")
      assert.deepStrictEqual(Processes.marked(mark), [])

      const started = new AbortController()
      await workspace.exec(["sleep", mark], { sandbox, signal: started.signal })
      await runs(mark, 1)
      started.abort()
      await runs(mark, 0)

      {
        await using _closed = await workspace.exec(["sleep", mark], { sandbox })
        await runs(mark, 1)
      }
      assert.deepStrictEqual(Processes.marked(mark), [])

      await workspace.exec(["sleep", mark], { sandbox })
      await runs(mark, 1)
      await codex.close()
      assert.deepStrictEqual(Processes.marked(mark), [])
    } finally {
      Processes.killMarked(mark)
    }
  })
})
