const fence = "```"

/**
 * The JSON of an answer, without the fence around it. A model without strict mode likes to fence its JSON. No JSON begins with
 * a fence, so nothing is guessed here, and a whole turn of repair is saved.
 *
 * Not with one expression: the text is the model's, and one that looks for both fences takes the cube of its length.
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
