/** The names that stand in a recording for the ids and folders of a session. */
export type Origin = "sent" | "received"

const uuid = /\b[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}\b/gi
// The ids that the model's API gives to items and calls.
const modelId = /\b(msg|rs|fc|call|ctc|resp|ws|ig)_[A-Za-z\d]{12,}\b/g
const placeholder = /<[a-z]+(?:-[a-z\d]+)*>/g

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")

const kindOf = (key: string, parent: string): string => {
  const owner = key === "id" ? parent : key.replace(/Id$/, "")
  return ["thread", "turn", "item"].includes(owner) ? owner : "id"
}

/** Numbers ids and folders in the order in which they first occur. */
export class Placeholders {
  /** The names of ids. */
  private readonly names = new Map<string, string>()
  /** The values that `restore` puts back, by their names. */
  private readonly live = new Map<string, string>()
  /** How many names there are of each kind. */
  private readonly counts = new Map<string, number>()
  /** The names of folders, by their paths. */
  private readonly folders = new Map<string, string>()
  /** Finds the folders in a text. The longest path comes first, because it may lie in another folder. */
  private patterns: ReadonlyArray<readonly [pattern: RegExp, name: string]> = []

  constructor(folders: Readonly<Record<string, string>>) {
    for (const [name, path] of Object.entries(folders)) this.addFolder(`<${name}>`, path)
  }

  // ---------------------------------------------------------------------------
  // Folders
  // ---------------------------------------------------------------------------

  addFolder(name: string, path: string): void {
    if (path.length < 2 || this.folders.has(path)) return
    this.folders.set(path, name)
    if (!this.live.has(name)) this.live.set(name, path)
    this.patterns = [...this.folders].sort(([a], [b]) => b.length - a.length).map(([path, name]) =>
      [new RegExp(`(?<![\\w.-])${escape(path)}(?![\\w-])`, "g"), name] as const
    )
  }

  /** Adds the working directory of a request. */
  addSentCwd(path: string): void {
    if (!this.isStable(path)) this.addFolder(`<${this.next("folder")}>`, path)
  }

  /** Adds the working directory of a response as the workspace, if there is no workspace yet. */
  addReceivedCwd(path: string): void {
    if (!this.isStable(path) && !this.live.has("<workspace>")) this.addFolder("<workspace>", path)
  }

  // Folders below the home and the temporary directory may have names that differ between runs.
  private isStable(path: string): boolean {
    return [...this.folders].some(([folder, name]) =>
      name !== "<home>" && name !== "<tmp>" && path.startsWith(folder) && /^(?:[\\/]|$)/.test(path.slice(folder.length))
    )
  }

  replaceFolders(text: string): string {
    return this.patterns.reduce((text, [pattern, name]) => text.replace(pattern, () => name), text)
  }

  // ---------------------------------------------------------------------------
  // Ids
  // ---------------------------------------------------------------------------

  /** Replaces ids in the value of a key. The key, and that of the object around it, tell the kind of the id. */
  replaceIds(text: string, key: string, parent: string, origin: Origin): string {
    const kind = key === "clientUserMessageId" ? "clientUserMessage" : text.length === 36 ? kindOf(key, parent) : "id"
    return text
      .replace(uuid, (id) => this.nameOf(id, kind, origin))
      .replace(
        modelId,
        (id, kind: string) => origin === "sent" ? this.names.get(id) ?? id : this.nameOf(id, kind, origin)
      )
  }

  nameOf(id: string, kind: string, origin: Origin): string {
    const known = this.names.get(id)
    if (known !== undefined) return known
    // The server returns the client's ids, so `restore` must turn them back. The server's own ids may stay replaced.
    const name = origin === "sent"
      ? `<${this.next(kind === "clientUserMessage" ? "message" : "client-id")}>`
      : this.next(kind)
    this.names.set(id, name)
    if (origin === "sent") this.live.set(name, id)
    return name
  }

  private next(kind: string): string {
    const count = (this.counts.get(kind) ?? 0) + 1
    this.counts.set(kind, count)
    return `${kind}-${count}`
  }

  // ---------------------------------------------------------------------------
  // The way back
  // ---------------------------------------------------------------------------

  /** Puts the client's ids and the folders back. */
  restore(text: string): string {
    return text.replace(placeholder, (name) => {
      if (name === "<workspace>") this.addFolder(name, "/workspace")
      return this.live.get(name) ?? name
    })
  }
}
