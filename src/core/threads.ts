/** The numbers of threads that are taken. */
import { UserError } from "./errors.ts";

/** More threads than any machine has cores only take memory, until the system gives no more. */
export const MOST_THREADS = 1024;

/** @throws UserError "bad-option" unless `threads` is a whole number from 1 to `MOST_THREADS`. */
export function requireThreads(threads: number): void {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS) return;
  throw new UserError("bad-option", "illegal number of threads", {
    expected: `a whole number from 1 to ${MOST_THREADS}`,
    received: `${threads}`,
    hint: "Choose as many threads as there are cores, or leave it out",
  });
}
