/**
 * What an error number of the server's operating system means. The numbers are the only part of a refusal that does not
 * depend on words: docs/codex-behaviour.md, "A file that is refused has the number of the operating system's error".
 */
import type { FileError } from "../../CodexError.ts"
import type { Rpc } from "../rpcInternals.ts"

type Meaning = Exclude<FileError["reason"], "tooLarge" | "notText">

const unix: { readonly [errno: number]: Meaning } = {
  1: "permissionDenied",
  2: "notFound",
  13: "permissionDenied",
  17: "alreadyExists",
  20: "notFolder",
  21: "notFile",
  28: "noSpace",
  30: "readOnly",
  // Of Linux and of macOS.
  39: "notEmpty",
  66: "notEmpty",
  69: "noSpace",
  122: "noSpace"
}

const windows: { readonly [code: number]: Meaning } = {
  2: "notFound",
  3: "notFound",
  5: "permissionDenied",
  19: "readOnly",
  80: "alreadyExists",
  112: "noSpace",
  123: "notFound",
  145: "notEmpty",
  183: "alreadyExists",
  267: "notFolder"
}

export const meaningOf = ({ serverInfo }: Rpc, osError: number): Meaning =>
  (serverInfo.platformFamily === "windows" ? windows : unix)[osError] ?? "other"
