import { timingSafeEqual } from "node:crypto"

/** Compares in a time that depends on the lengths alone. */
export const sameToken = (token: string, given: string): boolean => {
  const [a, b] = [Buffer.from(token), Buffer.from(given)]
  return a.length === b.length && timingSafeEqual(a, b)
}
