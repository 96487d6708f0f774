/**
 * How long a test may take, by its kind. The slowest of each takes a third of this while 15 processes want 2 cores: one in memory
 * 5 seconds, one on the real codex 14 (measured).
 */
import { expect, vi } from "vitest"

const memory = 20_000
const real = 45_000

const limit = expect.getState().testPath?.endsWith(".real.test.ts") === true ? real : memory

vi.setConfig({ testTimeout: limit, hookTimeout: limit })
