// A model without strict mode likes to fence its JSON. No JSON begins with a fence, so nothing is guessed here, and a
// whole turn of repair is saved.
const fence = /^\s*```[a-zA-Z]*\s*\n([\s\S]*?)\n?\s*```\s*$/

/** The JSON of an answer, without the fence around it. */
export const unfenced = (text: string): string => fence.exec(text)?.[1] ?? text
