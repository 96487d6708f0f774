/**
 * Notices turns that work in a folder at the same time, in this program or another: each has a marker file, which
 * those that begin later write into. A marker is written again and again, so that one of a program that has died is
 * told by its age. Ages are differences of times of one file system, and no clock of this program.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { CheckpointError } from "../../Checkpoints.ts"
import type { Repository } from "./repository.ts"
import { unwritable } from "./trees.ts"

const beat = "15 seconds"
const deadAfterMillis = 90_000

const shared = "x"
const alone = "."

/** Marks the folder as worked in while the scope is open, and tells whether others worked in it meanwhile. */
export const begin = Effect.fnUntraced(function*(
  { fs, gitDir }: Repository
): Effect.fn.Return<Effect.Effect<boolean>, CheckpointError, Scope.Scope> {
  const folder = `${gitDir}/active`
  const name = `${yield* Random.nextInt}-${yield* Random.nextInt}`
  const own = `${folder}/${name}`
  const modified = (file: string) =>
    Effect.map(fs.stat(file), ({ mtime }) => Option.getOrElse(mtime, () => new Date(0)).getTime())

  const others = yield* Effect.gen(function*() {
    yield* fs.makeDirectory(folder, { recursive: true })
    yield* Effect.acquireRelease(fs.writeFileString(own, alone), () => Effect.ignore(fs.remove(own)))
    const now = yield* modified(own)
    return yield* Effect.filter(yield* fs.readDirectory(folder), (other) => {
      if (other === name) return Effect.succeed(false)
      const file = `${folder}/${other}`
      return modified(file).pipe(
        Effect.flatMap((then) =>
          now - then < deadAfterMillis
            // Fails if the other has ended meanwhile, and makes no new file.
            ? Effect.as(fs.writeFileString(file, shared, { flag: "r+" }), true)
            : Effect.as(fs.remove(file), false)
        ),
        Effect.orElseSucceed(() => false)
      )
    })
  }).pipe(Effect.mapError(unwritable))

  yield* fs.writeFileString(own, alone, { flag: "a" }).pipe(
    Effect.ignore,
    Effect.schedule(Schedule.spaced(beat)),
    Effect.forkScoped
  )
  return others.length > 0
    ? Effect.succeed(true)
    : Effect.match(fs.readFileString(own), {
      onFailure: () => true,
      onSuccess: (text) => text.startsWith(shared)
    })
})
