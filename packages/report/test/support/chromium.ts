/** Finds the Chromium of this machine, which `.ci/run` installs. */
import { existsSync } from "node:fs"

const places = [
  process.env["CHROMIUM_BIN"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
]

export const executablePath = (): string => {
  const found = places.find((place) => place !== undefined && existsSync(place))
  if (found === undefined) throw new Error("There is no Chromium here. Install it, or name it in CHROMIUM_BIN.")
  return found
}
