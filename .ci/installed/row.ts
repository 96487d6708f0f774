/** A way to run `turns.ts`. */
export interface Row {
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** Whether it skips the WebSocket and the unix socket. */
  readonly isStdioOnly?: boolean
  /** The expected text on stderr, if it must fail. */
  readonly says?: string
}
