/** What `doctor` found, and how it is shown. Pure. */
import { withoutKeys } from "@effect-codex/client/internal/text/keys"
import { type Line, line, type Span, span } from "../lines.ts"
import { visible } from "../text.ts"

export interface Check {
  readonly name: string
  /** `skip`: it could not be checked, because of something else that is told. */
  readonly status: "ok" | "warn" | "fail" | "skip"
  readonly detail: string
  /** What to do about it. */
  readonly advice?: string | undefined
}

/** A check on its way into the report: without keys that somebody's message quotes, and on one line. */
export const check = (
  name: string,
  status: Check["status"],
  detail: string,
  advice?: string
): Check => ({
  name: visible(name, 100),
  status,
  detail: visible(withoutKeys(detail), 600),
  ...advice === undefined ? {} : { advice: visible(withoutKeys(advice), 600) }
})

export const isOk = (checks: ReadonlyArray<Check>): boolean => checks.every(({ status }) => status !== "fail")

const marks: { readonly [S in Check["status"]]: Span } = {
  ok: span("ok  ", "green"),
  warn: span("warn", "yellow"),
  fail: span("fail", "red"),
  skip: span("skip", "dim")
}

export const lines = (checks: ReadonlyArray<Check>): ReadonlyArray<Line> =>
  checks.flatMap(({ advice, detail, name, status }): ReadonlyArray<Line> => [
    { ...line(marks[status], "  ", span(`${name}: `, "bold"), detail), hang: 6 },
    ...advice === undefined ? [] : [{ ...line("      → ", advice), hang: 8 }]
  ])

export const summary = (checks: ReadonlyArray<Check>): string => {
  const count = (status: Check["status"]) => checks.filter((one) => one.status === status).length
  const failed = count("fail")
  const warned = count("warn")
  if (failed > 0) return `${failed} of ${checks.length} checks failed.`
  return warned === 0 ? "Everything is fine." : `codex works here, with ${warned} warning${warned === 1 ? "" : "s"}.`
}
