import { Observable } from "rxjs";
import type { Subscriber } from "rxjs";
import type { Interrupt } from "../core/interrupt.ts";
import type { ClaimedJob } from "../core/job.ts";

/** How many orders for attempts that have not begun are remembered at most; the oldest are forgotten. */
const MAX_EARLY = 10_000;

/** Hands orders to end to the attempts that they are for. */
export interface Interrupts {
  /** The orders for the attempt of a claim, for as long as it listens: its own and those for all. */
  readonly of: (job: ClaimedJob) => Observable<Interrupt>;
  /** Whether there is an order for the attempt of a claim, before it listens. */
  readonly has: (job: ClaimedJob) => boolean;
  /** Gives an order. It holds for attempts that begin later, too: those of all, and that of its claim. */
  readonly give: (interrupt: Interrupt) => void;
}

/**
 * Makes the way of orders to their attempts.
 *
 * ```text
 * give     --a--*-----       a for the attempt A, * for all
 * of(A)    --a--*
 * of(B)    -----*
 * of(C)            *         begins later, as does an attempt that was ordered to end before it began
 * ```
 *
 * A map, because each attempt listens: with a filter on one stream for all of them, every job paid for
 * nine subscriptions, and every order for all that run.
 */
export function interrupts(): Interrupts {
  const listening = new Map<ClaimedJob, Subscriber<Interrupt>>();
  const early = new Map<string, Interrupt>();
  let forAll: Interrupt | undefined;

  const keep = (key: string, interrupt: Interrupt): void => {
    early.set(key, interrupt);
    const [oldest] = early.keys();
    if (early.size > MAX_EARLY && oldest !== undefined) early.delete(oldest);
  };
  const takeEarly = (job: ClaimedJob): Interrupt | undefined => {
    if (early.size === 0) return undefined;
    const interrupt = early.get(keyOf(job));
    early.delete(keyOf(job));
    return interrupt;
  };
  return {
    of: (job) =>
      new Observable<Interrupt>((subscriber) => {
        listening.set(job, subscriber);
        const first = forAll ?? takeEarly(job);
        if (first !== undefined) subscriber.next(first);
        return () => listening.delete(job);
      }),
    has: (job) => forAll !== undefined || (early.size > 0 && early.has(keyOf(job))),
    give: (interrupt) => {
      const { claim } = interrupt;
      if (claim === undefined) forAll = interrupt;
      let heard = false;
      for (const [job, subscriber] of listening) {
        if (claim !== undefined && keyOf(claim) !== keyOf(job)) continue;
        heard = true;
        subscriber.next(interrupt);
      }
      if (claim !== undefined && !heard) keep(keyOf(claim), interrupt);
    },
  };
}

function keyOf({ id, token }: { readonly id: string; readonly token: number }): string {
  return `${id}:${token}`;
}
