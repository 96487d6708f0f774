/** The tag of an error, and for an `RpcError` its reason: `RpcError: internal`. */
export const kindOf = (error: { readonly _tag: string }): string =>
  error._tag === "RpcError" && "reason" in error ? `RpcError: ${String(error.reason)}` : error._tag
