/** Names for what the server keeps per connection: commands, watches, searches. */
import { internalsOf, type Rpc, type RpcInternals } from "../rpcInternals.ts"

// By the internals, which wrappers of a connection share.
const counts = new WeakMap<RpcInternals, number>()

/** A name that nothing else on the connection has. It is the same in every run of a program. */
export const next = (rpc: Rpc, kind: string): string => {
  const internals = internalsOf(rpc)
  const count = (counts.get(internals) ?? 0) + 1
  counts.set(internals, count)
  return `effect-codex-${kind}-${count}`
}
