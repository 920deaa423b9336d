import type { Sent } from "../child/orders.ts";
import type { Child } from "../lab/child-process.ts";
import type { Lab } from "../lab/lab.ts";
import type { SystemName } from "../systems/names.ts";
import { checkDone, drainWarm, fill, stop } from "./drain.ts";

/** How many jobs a second a warm worker of a system drains: over `count`, after a fifth as many. */
export async function drainRate(lab: Lab, system: SystemName, count: number): Promise<number> {
  await using place = await lab.place(system);
  const warm = count / 5;
  const sent = await fill(place, warm + count);
  const worker = await place.child();
  const { jobsPerS } = await drainWarm(place, worker, { warm, count });
  await stop([worker]);
  await checkDone([worker], [sent]);
  return jobsPerS;
}

/** A load that was held while something else went on. */
export interface Loaded<Result> {
  readonly sent: Sent;
  /** Jobs a second that were stored. */
  readonly perSecond: number;
  readonly result: Result;
}

/** How much of a load has to be reached, in percent. */
const LEAST = 95;

/**
 * Enqueues at a steady rate until `during` has ended. Fails where that or an enqueue fails, and where the rate was
 * not reached.
 */
export async function underLoad<Result>(
  loader: Child,
  asked: number,
  during: () => Promise<Result>,
): Promise<Loaded<Result>> {
  const measure = async (): Promise<Result> => {
    try {
      return await during();
    } finally {
      // A loader that has failed says why by itself.
      await loader.ask("cease", {}).catch(() => undefined);
    }
  };
  const [sent, result] = await Promise.all([loader.ask("load", { perSecond: asked }), measure()]);
  const perSecond = sent.count / sent.seconds;
  const reached = (100 * perSecond) / asked;
  // Also where nothing was stored, so that there is no rate.
  if (!(reached >= LEAST))
    throw new Error(`Only ${Math.round(reached)} % of a load of ${Math.round(asked)} jobs/s was reached`);
  return { sent, perSecond, result };
}
