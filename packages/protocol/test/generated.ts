/** The protocol of a codex that declares what a test says. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type Protocol, readProtocol } from "../scripts/protocol.ts"

export const envelope = (name: string, ...messages: ReadonlyArray<string>): string =>
  `export type ${name} = ${
    messages.length === 0 ? `{ method: "none/${name}", params: undefined }` : messages.join(" | ")
  };`

export interface Declared {
  /** The text of each file, by its path without extension. Other definitions are `v2.Name`. */
  readonly [id: string]: string
}

/** Writes what codex would generate, calls `use` with the protocol and the folder, and removes it. */
export const withProtocol = <A>(
  declared: Declared,
  use: (protocol: Protocol, folder: string) => A,
  codexVersion = "1.2.3"
): A => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-codex-codegen-"))
  try {
    const types = path.join(folder, "types")
    const files = Object.entries({
      ClientRequest: envelope("ClientRequest", "{ method: \"a/b\", params: v2.ABParams }"),
      ServerRequest: envelope("ServerRequest", "{ method: \"x/y\", params: undefined }"),
      ServerNotification: envelope("ServerNotification"),
      ClientNotification: envelope("ClientNotification"),
      "v2/ABParams": "export type ABParams = {};",
      "v2/ABResponse": "export type ABResponse = {};",
      "v2/XYResponse": "export type XYResponse = {};",
      ...declared
    })
    for (const [id, text] of files) {
      const names = [...text.matchAll(/v2\.(\w+)/g)].map(([, name]) => name)
      const at = id.startsWith("v2/") ? "." : "./v2"
      const imports = [...new Set(names)].map((name) => `import type { ${name} } from "${at}/${name}";\n`)
      fs.mkdirSync(path.join(types, path.dirname(id)), { recursive: true })
      fs.writeFileSync(path.join(types, `${id}.ts`), `${imports.join("")}${text.replaceAll("v2.", "")}\n`)
    }
    return use(readProtocol({ codexVersion, folder, types, stableTypes: types, jsonSchemas: "" }), folder)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}
