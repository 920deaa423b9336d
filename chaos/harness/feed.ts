import { createClient } from "../../src/index.ts";
import type { Client } from "../../src/index.ts";
import type { ChaosDatabase } from "./database.ts";
import { marked } from "./marked-lines.ts";
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

/** What to trickle. */
export interface TricklePlan {
  readonly workOf: () => Work;
  /** How many jobs come at a time. */
  readonly batch: number;
}

/** Between two looks, in milliseconds. */
const LOOK_MS = 100;

/** Keeps `level` jobs waiting, as far as the database lets it. */
export function feed(database: ChaosDatabase, { workOf, level, done }: FeedPlan): Feed {
  return again(database, workOf, async (client, fed) =>
    done === undefined ? level - (await client.pendingCount()) : level - (fed - done()),
  );
}

/** Enqueues a batch at each look, whoever else waits. */
export function trickle(database: ChaosDatabase, { workOf, batch }: TricklePlan): Feed {
  return again(database, workOf, async () => batch);
}

/**
 * Enqueues as many as are missing, at each look. A call that fails is no matter: whether its jobs exist
 * is unknown then, and nobody was promised that they do, so the ledger leaves them out.
 */
function again(
  database: ChaosDatabase,
  workOf: () => Work,
  missingIn: (client: Client<typeof jobs>, fed: number) => Promise<number>,
): Feed {
  const client = createClient({ connectionString: database.connectionString, jobs, logger: false });
  let stopped = false;
  let fed = 0;
  const top = async (): Promise<void> => {
    const missing = await missingIn(client, fed);
    if (missing <= 0) return;
    const works = Array.from({ length: missing }, workOf);
    const ids = await client.enqueueMany(
      works.map((work) => ({ kind: "work", payload: marked(work), maxAttempts: 100 }) as const),
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
