/** Compares folders of the server's machine, which may not be this one, so it never looks at the file system. */

const isWindows = (path: string): boolean => /^([a-z]:[\\/]|\\\\)/i.test(path)

export const isRelative = (path: string): boolean => !path.startsWith("/") && !isWindows(path)

/** Removes `.`, `..`, doubled and trailing slashes, as the server does when it reports a folder. */
const normal = (path: string): string => {
  const windows = isWindows(path)
  const parts: Array<string> = []
  for (const part of (windows ? path.replace(/^\\\\\?\\/, "").toLowerCase().replaceAll("\\", "/") : path).split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `${windows ? "" : "/"}${parts.join("/")}`
}

export const samePath = (a: string, b: string): boolean => a === b || normal(a) === normal(b)

export const containsPath = (paths: ReadonlyArray<string>, path: string): boolean =>
  paths.some((one) => samePath(one, path))

/** Whether a folder is the path or one of its ancestors. */
export const isWithin = (folder: string, path: string): boolean => {
  const above = normal(folder).replace(/\/$/, "")
  return normal(path) === normal(folder) || normal(path).startsWith(`${above}/`)
}
