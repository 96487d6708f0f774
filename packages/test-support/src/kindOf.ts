/** The tag of an error, with the reason of one that has many: `RpcError: internal`. */
export const kindOf = (error: { readonly _tag: string }): string =>
  error._tag === "RpcError" && "reason" in error ? `RpcError: ${String(error.reason)}` : error._tag
