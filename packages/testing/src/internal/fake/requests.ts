/** The tools with which the model asks the user: for answers to questions, and for permissions. */
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

/** Decodes the questions, or returns the text that the model gets for invalid ones. */
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

/** The tool output that the model gets. An error of the client counts as no answers. */
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

/** Decodes the permissions, or returns the text that the model gets for invalid ones. */
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

/** The paths that are in both; undefined if there are none. */
const both = (asked: Paths, granted: Paths): Paths => {
  const paths = asked?.filter((path) => granted?.includes(path))
  return paths === undefined || paths.length === 0 ? undefined : paths
}

/** The tool output that the model gets: the permissions that it asked for and that were granted. */
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
