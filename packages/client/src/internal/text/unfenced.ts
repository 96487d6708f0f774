const fence = "```"

/**
 * Removes the Markdown fence around the JSON of an answer. Models without strict mode often fence their JSON. JSON
 * never begins with a fence, so this is no guess, and it saves a whole repair turn.
 *
 * A single regular expression for both fences would take cubic time, and the model controls the text.
 */
export const unfenced = (text: string): string => {
  const trimmed = text.trim()
  if (!trimmed.startsWith(fence) || !trimmed.endsWith(fence)) return text
  const lineEnd = trimmed.indexOf("\n")
  const language = trimmed.slice(fence.length, Math.max(lineEnd, fence.length)).trim()
  return lineEnd === -1 || !/^[a-zA-Z]*$/.test(language)
    ? text
    : trimmed.slice(lineEnd + 1, Math.max(lineEnd + 1, trimmed.length - fence.length)).trim()
}
