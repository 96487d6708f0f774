/** What the model asks the user by tools: its questions, and permissions. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Schema from "effect/Schema"
import * as Json from "../json.ts"

// =============================================================================
// Questions
// =============================================================================

const Questions = Schema.Struct({
  questions: Schema.Array(Schema.Struct({
    id: Schema.String,
    header: Schema.String,
    question: Schema.String,
    options: Schema.optionalKey(Schema.NullOr(
      Schema.Array(Schema.Struct({ label: Schema.String, description: Schema.String }))
    ))
  }))
})

const decodeQuestions = Schema.decodeUnknownResult(Questions)

/** The questions, or what the model is told of those that are none. */
export const questionsOf = (args: Schema.Json): ReadonlyArray<Received.ToolRequestUserInputQuestion> | string => {
  const decoded = decodeQuestions(args)
  if (decoded._tag === "Failure") return `failed to parse function arguments: ${decoded.failure.message}`
  const { questions } = decoded.success
  return questions.every(({ options }) => (options ?? []).length > 0)
    ? questions.map(({ header, id, options, question }) => ({
      id,
      header,
      question,
      isOther: true,
      isSecret: false,
      options: options ?? []
    }))
    : "request_user_input requires non-empty options for every question"
}

const isAnswers = Schema.is(
  Schema.Struct({
    answers: Schema.Record(Schema.String, Schema.Struct({ answers: Schema.Array(Schema.String) }))
  })
)

/** What the model is told. An error of the client is no answer. */
export const answersText = (answer: unknown): string =>
  JSON.stringify({ answers: isAnswers(answer) ? answer.answers : {} })

// =============================================================================
// Permissions
// =============================================================================

const Paths = Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String)))

const Permissions = Schema.Struct({
  network: Schema.optionalKey(
    Schema.NullOr(Schema.Struct({ enabled: Schema.optionalKey(Schema.NullOr(Schema.Boolean)) }))
  ),
  file_system: Schema.optionalKey(Schema.NullOr(Schema.Struct({ read: Paths, write: Paths })))
})

const decodePermissions = Schema.decodeUnknownResult(Permissions)

const entriesOf = (paths: ReadonlyArray<string> | null, access: "read" | "write") =>
  (paths ?? []).map((path) => ({ path: { type: "path" as const, path }, access }))

/** The permissions, or what the model is told of those that are none. */
export const permissionsOf = (args: Schema.Json): Received.RequestPermissionProfile | string => {
  const given = Json.field(args, "permissions")
  if (given === undefined) return "failed to parse function arguments: missing field `permissions`"
  const decoded = decodePermissions(given)
  if (decoded._tag === "Failure") return `failed to parse function arguments: ${decoded.failure.message}`
  const { file_system: files, network } = decoded.success
  const read = files?.read ?? null
  const write = files?.write ?? null
  const entries = [...entriesOf(read, "read"), ...entriesOf(write, "write")]
  const enabled = network?.enabled ?? null
  return enabled === null && entries.length === 0
    ? "request_permissions requires at least one permission"
    : {
      network: enabled === null ? null : { enabled },
      fileSystem: entries.length === 0 ? null : { read, write, entries }
    }
}

const Granted = Schema.Struct({
  permissions: Schema.Struct({
    network: Schema.optionalKey(
      Schema.NullOr(Schema.Struct({ enabled: Schema.optionalKey(Schema.NullOr(Schema.Boolean)) }))
    ),
    fileSystem: Schema.optionalKey(Schema.NullOr(Schema.Struct({ read: Paths, write: Paths })))
  }),
  scope: Schema.optionalKey(Schema.Literals(["turn", "session"]))
})

const isGranted = Schema.is(Granted)

type Paths = ReadonlyArray<string> | null | undefined

/** What is in both, if that is something. */
const both = (asked: Paths, granted: Paths): Paths => {
  const paths = asked?.filter((path) => granted?.includes(path))
  return paths === undefined || paths.length === 0 ? undefined : paths
}

/** What the model is told: what it asked for and was granted. */
export const grantedText = (asked: Received.RequestPermissionProfile, answer: unknown): string => {
  const granted = isGranted(answer) ? answer : undefined
  const files = granted?.permissions.fileSystem
  const read = both(asked.fileSystem?.read, files?.read)
  const write = both(asked.fileSystem?.write, files?.write)
  const network = asked.network?.enabled === true && granted?.permissions.network?.enabled === true
  return JSON.stringify({
    permissions: {
      network: network ? { enabled: true } : null,
      file_system: read === undefined && write === undefined ? null : { read, write }
    },
    scope: granted?.scope ?? "turn"
  })
}
