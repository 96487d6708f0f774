/** The variables of the environment that send requests to a proxy. */

/**
 * The variable that makes a program send requests to http://127.0.0.1 to a proxy, if there is one. codex exempts
 * loopback no more than other programs: docs/codex-behaviour.md, "A proxy gets the requests to an MCP server on
 * loopback".
 */
export const proxyOfLoopback = (env: { readonly [name: string]: string | undefined }): string | undefined => {
  const exempted = (env["no_proxy"] ?? env["NO_PROXY"] ?? "").split(",").map((entry) => entry.trim())
  // codex does not take `*` for addresses.
  return exempted.some((entry) => entry === "127.0.0.1" || /^127\.[\d.]+\/\d+$/.test(entry))
    ? undefined
    : ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].find((name) => (env[name] ?? "") !== "")
}
