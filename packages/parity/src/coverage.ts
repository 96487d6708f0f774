/** Whether the scenarios call everything that is public in the Python SDK. */
import type { PythonNotes, Surface } from "./python.ts"
import type { Scenario } from "./scenario.ts"

const isOption = (name: string): boolean => name.endsWith(")")

export const counts = ({ errors, methods }: Surface) => ({
  methods: methods.filter((name) => !isOption(name)).length,
  options: methods.filter(isOption).length,
  errors: errors.length
})

/** Scenarios that only one of the two programs has. */
export const scenarios = (surface: Surface, all: ReadonlyArray<Scenario>): Array<string> => {
  const ours = all.map(({ name }) => name)
  return [
    ...ours.filter((name) => !surface.scenarios.includes(name)).map((name) => `python/scenarios.py lacks ${name}`),
    ...surface.scenarios.filter((name) => !ours.includes(name)).map((name) => `src/scenarios lacks ${name}`)
  ]
}

/** Members, options and exceptions that are in no scenario. */
export const members = (surface: Surface, notes: ReadonlyArray<PythonNotes>): ReadonlyArray<string> => {
  const called = new Set(notes.flatMap(({ calls }) => calls))
  const raised = new Set(notes.flatMap(({ raised }) => raised))
  return [
    ...surface.methods.filter((name) => !called.has(name)).map((name) => `no scenario calls ${name}`),
    ...surface.errors.filter((name) => !raised.has(name)).map((name) => `no scenario gets ${name}`)
  ]
}
