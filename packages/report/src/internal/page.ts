/** The document around the parts. It asks nobody for anything, and runs no script but its own. */
import * as Crypto from "node:crypto"
import { type Html, html, type Part } from "./html.ts"
import { Html as Markup } from "./html.ts"
import { script } from "./script.ts"
import { style } from "./style.ts"

const hashOf = (text: string): string => `'sha256-${Crypto.createHash("sha256").update(text).digest("base64")}'`

/** The second wall: should markup of others ever get in, the browser still does not run it. */
const policyOf = (style: string, script: string, more: ReadonlyArray<string>): string =>
  [
    "default-src 'none'",
    `style-src ${hashOf(style)}`,
    `script-src ${hashOf(script)}`,
    "base-uri 'none'",
    "form-action 'none'",
    ...more
  ].join("; ")

/** Makes documents with this style and this script, and says what a browser may do with them. */
export const documents = (style: string, script: string, more: ReadonlyArray<string> = []) => {
  const policy = policyOf(style, script, more)
  return {
    policy,
    page: (title: string, navigation: Part, body: Part): string =>
      document({ style, script, policy }, title, navigation, body)
  }
}

interface Own {
  readonly style: string
  readonly script: string
  readonly policy: string
}

const document = ({ policy, script, style }: Own, title: string, navigation: Part, body: Part): string => {
  const made: Html = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<nav aria-label="Turns"><div>${navigation}</div></nav>
${body}
<script>${new Markup(script)}</script>
</body>
</html>
`
  return made.markup
}

export const { page, policy } = documents(style, script)
