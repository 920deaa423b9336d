import { createClient } from "../../src/index.ts";
import type { ChaosDatabase } from "./database.ts";
import { sleep } from "./wait.ts";
import { jobs } from "./work.ts";
import type { Work } from "./work.ts";

/** What keeps a queue filled while faults go on. */
export interface Feed extends AsyncDisposable {
  /** Enqueues no more, and resolves when the last call has ended. */
  readonly stop: () => Promise<void>;
}

/** What to feed. */
export interface FeedPlan {
  readonly workOf: () => Work;
  /** How many jobs may wait at most. */
  readonly level: number;
  /** How many of those that were fed are done, where counting what waits would cost the database too much. */
  readonly done?: () => number;
}

/** Between two looks, in milliseconds. */
const LOOK_MS = 100;

/**
 * Keeps `level` jobs waiting, as far as the database lets it. A call that fails is no matter: whether
 * its jobs exist is unknown then, and nobody was promised that they do, so the ledger leaves them out.
 */
export function feed(database: ChaosDatabase, { workOf, level, done }: FeedPlan): Feed {
  const client = createClient({ connectionString: database.connectionString, jobs, logger: false });
  let stopped = false;
  let fed = 0;
  const waiting = (): number | Promise<number> => (done === undefined ? client.pendingCount() : fed - done());
  const top = async (): Promise<void> => {
    const missing = level - (await waiting());
    if (missing <= 0) return;
    const works = Array.from({ length: missing }, workOf);
    const ids = await client.enqueueMany(
      works.map((work) => ({ kind: "work", payload: work, maxAttempts: 100 }) as const),
    );
    fed += ids.length;
    works.forEach(({ deed }, n) => database.ledger.enqueued(ids[n] ?? "0", deed));
  };
  const running = (async () => {
    while (!stopped) {
      await top().catch(() => undefined);
      await sleep(LOOK_MS);
    }
    await client.close();
  })();
  const stop = async (): Promise<void> => {
    stopped = true;
    await running;
  };
  return { stop, [Symbol.asyncDispose]: stop };
}
