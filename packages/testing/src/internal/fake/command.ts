/** How codex 0.171.0 presents the commands of its model. Commands do not run here. */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import { createHash } from "node:crypto"

/** A command as codex shows it: wrapped in a call of the shell. */
export const shellWords = (cmd: string): string => {
  if (/^[\w@%+=:,./-]+$/.test(cmd)) return `/bin/bash -lc ${cmd}`
  return cmd.includes("'") ? `/bin/bash -lc "${cmd.replace(/["$`\\]/g, "\\$&")}"` : `/bin/bash -lc '${cmd}'`
}

const firstWords = (cmd: string): ReadonlyArray<string> | undefined => {
  const [first = ""] = cmd.split(/&&|\|\||[;|]/)
  const words = first.trim().split(/\s+/)
  return words.every((word) => /^[\w@%+=:,./-]+$/.test(word)) ? words : undefined
}

/** The prefix that codex proposes to allow for later commands; undefined unless the command has plain words only. */
export const proposedPrefix = firstWords

export const hasPrefix = (cmd: string, prefix: ReadonlyArray<string>): boolean => {
  const words = firstWords(cmd)
  return words !== undefined && prefix.every((word, index) => words[index] === word)
}

/** The tool output that the model gets for a command that has ended. */
export const outputText = (output: string, exitCode: number, chunk: number): string =>
  `Chunk ID: ${
    chunk.toString(16).padStart(6, "0")
  }\nWall time: 0.0000 seconds\nProcess exited with code ${exitCode}\n` +
  `Original token count: ${Math.ceil(output.length / 4)}\nOutput:\n${output}`

export const rejectedText = (why: string): string =>
  `exec_command failed: CreateProcess { message: "Rejected(\\"${why}\\")" }`

export const neverText =
  "approval policy is Never; reject command — you cannot ask for escalated permissions if the approval policy is Never"

/** What a granular policy asks about. */
export type Granular = Extract<Sent.AskForApproval, object>["granular"]

/** The refusal quotes the policy as the server's log shows it. */
export const granularText = (kinds: Granular): string => {
  const all = Object.entries(kinds).map(([kind, mayAsk]) => `${kind}: ${mayAsk}`)
  const policy = `Granular(GranularApprovalConfig { ${all.join(", ")} })`
  return `approval policy is ${policy}; reject command — you cannot ask for escalated permissions if the approval ` +
    `policy is ${policy}`
}

// =============================================================================
// Patches
// =============================================================================

export interface Patch {
  readonly changes: ReadonlyArray<Received.FileUpdateChange>
  /** The diff of the turn, in git's format. */
  readonly diff: string
  /** The tool output that the model gets for an applied patch. */
  readonly text: string
}

const envelope = /^apply_patch <<'?(\w+)'?\n\*\*\* Begin Patch\n([^]*?)\n?\*\*\* End Patch\n\1\s*$/

/** Parses a patch that adds files; undefined for any other patch, which the fake treats as a command. */
export const patchOf = (cmd: string, cwd: string): Patch | undefined => {
  const body = envelope.exec(cmd)?.[2]
  if (body === undefined) return undefined
  const sections = body.split(/^\*\*\* /m).filter((section) => section !== "")
  const files = sections.map((section) => {
    const [head = "", ...lines] = section.replace(/\n$/, "").split("\n")
    const isAdded = head.startsWith("Add File: ") && lines.every((line) => line.startsWith("+"))
    return isAdded ? { path: head.slice("Add File: ".length), lines: lines.map((line) => line.slice(1)) } : undefined
  })
  if (files.length === 0 || !files.every((file) => file !== undefined)) return undefined
  return {
    changes: files.map(({ lines, path }) => ({
      path: `${cwd}/${path}`,
      kind: { type: "add" },
      diff: lines.map((line) => `${line}\n`).join("")
    })),
    diff: files.map(({ lines, path }) => {
      const text = lines.map((line) => `${line}\n`).join("")
      const blob = createHash("sha1").update(`blob ${Buffer.byteLength(text)}\0${text}`).digest("hex")
      const range = lines.length === 1 ? "+1" : `+1,${lines.length}`
      return `diff --git a/${path} b/${path}\nnew file mode 100644\nindex ${"0".repeat(40)}..${blob}\n--- /dev/null\n` +
        `+++ b/${path}\n@@ -0,0 ${range} @@\n${lines.map((line) => `+${line}\n`).join("")}`
    }).join(""),
    text: "Wall time: 0.0000 seconds\nOutput:\nExit code: 0\nWall time: 0 seconds\nOutput:\n" +
      `Success. Updated the following files:\n${files.map(({ path }) => `A ${path}\n`).join("")}`
  }
}
