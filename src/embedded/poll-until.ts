import { setTimeout as sleep } from "node:timers/promises";

/** Pause between two looks, in milliseconds: short beside a start, which takes some 500 ms to a second. */
const PAUSE_MS = 10;

/**
 * Looks again and again until there is something to see.
 *
 * @param look Returns `undefined` while there is nothing yet. Its rejection ends the wait.
 * @param timeoutMs How long to look, in milliseconds.
 * @returns What was seen, or `undefined` when the time ran out.
 */
export async function pollUntil<T>(
  look: () => Promise<T | undefined>,
  timeoutMs: number,
): Promise<T | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined || performance.now() > deadline) return seen;
    await sleep(PAUSE_MS);
  }
}
