// Written by scripts/version.ts from package.json.
export const version = "0.0.0"
