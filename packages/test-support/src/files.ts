/** Programs that tests start as processes of their own. */
import { join } from "node:path"

/** An MCP server on stdin and stdout: `node` runs it as it is. */
export const mcpServer = join(import.meta.dirname, "mcpServer.ts")
