/** Programs that tests start as processes of their own. */
import { join } from "node:path"

/** The path of an MCP server on stdin and stdout, a TypeScript file that `node` can run. */
export const mcpServer = join(import.meta.dirname, "mcpServer.ts")
