import { setTimeout as sleep } from "node:timers/promises";

export { sleep };

/** Looks every `everyMs` until there is an answer, and gives it. Rejects when `timeoutMs` have passed. */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  { timeoutMs = 60_000, everyMs = 20 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<T> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    const answer = await look();
    if (answer !== undefined) return answer;
    if (performance.now() > endsAt) throw new Error(`Waited ${timeoutMs} ms: ${what}`);
    await sleep(everyMs);
  }
}

/** The machine's clock, which is Postgres' own here: milliseconds since 1970, with fractions. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
