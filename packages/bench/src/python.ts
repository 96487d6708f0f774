/** The Python that has the Python SDK. The part `peers` works without it. */
import { environment, Missing } from "../../parity/src/environment.ts"

/** Finds it, or makes its environment. If that cannot be done, says in one line what is missing. */
export const find = async (
  say: (text: string) => void,
  of: (say: (text: string) => void) => Promise<string> = environment
): Promise<string | undefined> => {
  try {
    return await of(say)
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    say(`leaves out the Python SDK: ${error.message}`)
    return undefined
  }
}
