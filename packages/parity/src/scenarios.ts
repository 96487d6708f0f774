import type { Scenario } from "./scenario.ts"
import { accounts } from "./scenarios/accounts.ts"
import { basics } from "./scenarios/basics.ts"
import { errors } from "./scenarios/errors.ts"
import { threads } from "./scenarios/threads.ts"
import { turns } from "./scenarios/turns.ts"

/** All scenarios. `python/scenarios.py` has the same names. */
export const scenarios: ReadonlyArray<Scenario> = [...basics, ...turns, ...threads, ...accounts, ...errors]
