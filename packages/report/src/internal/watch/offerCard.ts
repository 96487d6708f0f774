/** An approval with everything that it allows, and the buttons that decide it. */
import type { ApprovalRequest, FileChangeRequest, PermissionsRequest } from "@effect-codex/client/Approvals"
import { withoutShell } from "@effect-codex/client/Approvals"
import { fileAccesses, mcpServerOf } from "@effect-codex/client/internal/text/approvalText"
import { type Html, html, type Part } from "../html.ts"
import * as Text from "../text.ts"
import type { Row } from "./board.ts"
import { type Decision, decisions, fits, type Offer } from "./offers.ts"
import { titleOf } from "./titles.ts"

/** Nobody reads more, and what is left out is said. */
const most = 50_000

const text = (given: string): Html => html`<pre>${Text.shortened(given, most).text}</pre>`

const permissionsOf = (permissions: PermissionsRequest["permissions"]): Html => {
  const wanted = [
    ...permissions.network?.enabled === true ? ["use the network"] : [],
    ...fileAccesses(permissions)
  ]
  return html`<ul>${
    (wanted.length === 0 ? ["permissions that it does not name"] : wanted).map((one) => html`<li>${one}</li>`)
  }</ul>`
}

/** The diff as it came: what a parser might leave out is allowed all the same. */
const change = ({ diff, kind, path }: NonNullable<FileChangeRequest["changes"]>[number]): Html => {
  const moved = kind.type === "update" && "move_path" in kind && typeof kind.move_path === "string"
    ? ` → ${kind.move_path}`
    : ""
  const sign = kind.type === "add" ? "+" : kind.type === "delete" ? "-" : ""
  const lines = diff.replace(/\n$/, "").split("\n").map((line) => sign + line).join("\n")
  return html`<p>${kind.type} <code>${path}${moved}</code></p>${text(lines)}`
}

const questionOf = (request: ApprovalRequest): string => {
  switch (request._tag) {
    case "Command":
      return request.network !== undefined
        ? `May it reach ${Text.label(request.network.host)} (${Text.label(request.network.protocol)}) with the command?`
        : request.kind === "writeStdin"
        ? "May it write to the running command?"
        : "May it run the command?"
    case "FileChange":
      return "May it change the files?"
    case "Permissions":
      return "May it have these permissions?"
    case "McpTool":
      return `May it call ${request.tool === "" ? "a tool" : Text.label(request.tool)} of ${mcpServerOf(request)}?`
  }
}

const detailsOf = (request: ApprovalRequest): Part => {
  switch (request._tag) {
    case "Command": {
      const { additionalPermissions, command, cwd } = request
      return [
        command === undefined
          ? html`<p>codex does not name the command.</p>`
          : text(withoutShell(command)),
        cwd !== undefined && html`<p class="quiet">in <code>${cwd}</code></p>`,
        additionalPermissions !== undefined && html`<p>With permission to</p>${permissionsOf(additionalPermissions)}`
      ]
    }
    case "FileChange": {
      const { changes, grantRoot } = request
      return [
        changes === undefined ? html`<p>codex does not say which.</p>` : changes.map(change),
        grantRoot !== undefined && html`<p>And write below <code>${grantRoot}</code> from now on.</p>`
      ]
    }
    case "Permissions":
      return [permissionsOf(request.permissions), html`<p class="quiet">in <code>${request.cwd}</code></p>`]
    case "McpTool":
      return [
        text(Text.json(request.arguments)),
        request.description !== undefined && html`<p class="quiet">The server's description: ${request.description}</p>`
      ]
  }
}

const names: Readonly<Record<Decision, string>> = {
  accept: "Accept",
  acceptForSession: "Accept for this session",
  decline: "Decline"
}

export const card = (offer: Offer, row: Row | undefined): Html => {
  const { id, open: { request } } = offer
  const reason = request._tag === "McpTool" ? undefined : request.reason
  return html`<section class="offer" id="offer-${id}"><h3>${questionOf(request)}</h3>${
    row !== undefined && html`<p class="quiet"><a href="?thread=${row.key}">${titleOf(row.view)}</a></p>`
  }${detailsOf(request)}${
    reason !== undefined && reason.trim() !== "" && html`<p>Its reason: ${Text.shortened(reason, most).text}</p>`
  }<p class="buttons">${
    decisions.filter((decision) => fits(offer, decision)).map((decision) =>
      html`<button type="button" data-offer="${id}" data-decision="${decision}">${names[decision]}</button>`
    )
  }<output></output></p></section>`
}
