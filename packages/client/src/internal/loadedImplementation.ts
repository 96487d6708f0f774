/**
 * What `load.ts` loads. `npm run build` replaces what the compiler makes of this by one file that holds the
 * implementation: `scripts/bundle.ts`.
 */
export * from "./implementation.ts"
