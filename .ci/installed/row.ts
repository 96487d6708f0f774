/** A way to run `turns.ts`. */
export interface Row {
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** Whether it does without the WebSocket, and the unix socket with it. */
  readonly isStdioOnly?: boolean
  /** What it prints to stderr when it fails, if it is to fail. */
  readonly says?: string
}
