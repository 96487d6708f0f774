/** The virtual environment of the Python SDK: made once, kept in the cache of the repository, made anew when broken. */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { promisify } from "node:util"

const exec = promisify(execFile)

const python = Path.join(import.meta.dirname, "..", "python")
const cache = Path.join(import.meta.dirname, "..", "..", "..", "node_modules", ".cache", "parity-python")
const requirements = Path.join(python, "requirements.txt")

/** A part of the environment that is missing, in one line. */
export class Missing extends Error {}

const bin = (name: string): string =>
  process.platform === "win32" ? Path.join(cache, "Scripts", `${name}.exe`) : Path.join(cache, "bin", name)

const works = async (): Promise<boolean> => {
  try {
    const wanted = Fs.readFileSync(requirements, "utf8")
    if (Fs.readFileSync(Path.join(cache, "requirements.txt"), "utf8") !== wanted) return false
    await exec(bin("python"), ["-c", "import openai_codex"])
    return true
  } catch {
    return false
  }
}

const firstLine = (error: unknown): string => {
  const { message, stderr = "" } = error as Error & { readonly stderr?: string }
  return (stderr.trim() === "" ? message : stderr.trim()).split("\n").at(-1) ?? message
}

const probe = [
  "import sys",
  "assert sys.version_info >= (3, 10), 'it is Python %d.%d' % sys.version_info[:2]",
  "import venv, ensurepip"
].join("\n")

/** The Python to make the environment with: at least 3.10, with venv and pip. */
const systemPython = async (): Promise<string> => {
  const problems: Array<string> = []
  for (const name of [process.env["PARITY_PYTHON"] ?? [], "python3", "python"].flat()) {
    try {
      await exec(name, ["-c", probe])
      return name
    } catch (error) {
      problems.push(`${name}: ${firstLine(error)}`)
    }
  }
  throw new Missing(
    `Python 3.10 or later with the modules venv and ensurepip is missing (set PARITY_PYTHON): ${problems.join("; ")}`
  )
}

const make = async (system: string): Promise<void> => {
  Fs.rmSync(cache, { recursive: true, force: true })
  try {
    await exec(system, ["-m", "venv", cache])
  } catch (error) {
    throw new Missing(`${system} -m venv made no environment: ${firstLine(error)}`)
  }
  try {
    // Without dependencies, because the SDK's own codex takes 360 MB and is not used.
    const install = ["-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--quiet", "-r", requirements]
    await exec(bin("python"), install)
  } catch (error) {
    throw new Missing(`pip could not install ${Path.relative(process.cwd(), requirements)}: ${firstLine(error)}`)
  }
  // Last, because it says that the environment is whole.
  Fs.copyFileSync(requirements, Path.join(cache, "requirements.txt"))
}

/** The version of the SDK of a Python, or of another program. */
export const versionOf = async (program: string): Promise<string> => {
  const args = program === bin("python")
    ? ["-c", "import openai_codex; print(openai_codex.__version__)"]
    : ["--version"]
  const { stdout } = await exec(program, args)
  return stdout.trim().split(" ").at(-1) ?? ""
}

/** Returns the Python of the environment. Throws {@link Missing}. */
export const environment = async (say: (text: string) => void): Promise<string> => {
  if (await works()) return bin("python")
  const system = await systemPython()
  say(`Making the Python environment in ${Path.relative(process.cwd(), cache)} ...`)
  await make(system)
  if (await works()) return bin("python")
  throw new Missing(`The Python environment does not work: remove ${cache}`)
}
