/** An issue of a Standard Schema. Its text has the format of `@effect-codex/client`. */
export interface Issue {
  readonly message: string
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined
}

const pathText = (path: Issue["path"]): string =>
  (path ?? []).reduce<string>((text, segment) => {
    const key = typeof segment === "object" ? segment.key : segment
    if (typeof key === "number") return `${text}[${key}]`
    return text === "" ? String(key) : `${text}.${String(key)}`
  }, "")

const shown = 5

export const refused = (issues: ReadonlyArray<Issue>) => {
  const texts = issues.slice(0, shown).map(({ message, path }) => {
    const at = pathText(path)
    return at === "" ? message : `at ${at}: ${message}`
  })
  const more = issues.length > shown ? [`and ${issues.length - shown} more`] : []
  return { ok: false as const, issue: [...texts, ...more].join("; ") }
}

/** The part of a Standard Schema that decodes. */
interface Decodable<A> {
  readonly "~standard": {
    readonly validate: (value: unknown) =>
      | Result<A>
      | Promise<Result<A>>
  }
}

export type Result<A> =
  | { readonly value: A; readonly issues?: undefined }
  | { readonly issues: ReadonlyArray<Issue> }

export const decoder = <A>(schema: Decodable<A>) => (value: unknown) => {
  const result = schema["~standard"].validate(value)
  if (result instanceof Promise) {
    throw new Error(
      "the schema is asynchronous: pass it to the client directly, if it implements Standard JSON Schema."
    )
  }
  return result.issues ? refused(result.issues) : { ok: true as const, value: result.value }
}
