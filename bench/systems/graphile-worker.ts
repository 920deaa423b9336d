import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { postgresCounts } from "./postgres-counts.ts";
import { CALLERS } from "./system.ts";
import type { NewJob, Payload, System, Target, Work } from "./system.ts";

const logger = new Logger(() => () => undefined);

/** What its page on performance measures: a local queue, and completions in batches. */
const BATCHED = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

/** graphile-worker with the batching that its documentation recommends for throughput. */
export async function graphileWorker(target: Target): Promise<System> {
  return open(target, BATCHED);
}

/** graphile-worker as it comes: one query a claim, one a completion. */
export async function graphileWorkerPlain(target: Target): Promise<System> {
  return open(target, {});
}

/** Jobs of a queue of the bench are a task here: a queue of graphile-worker runs one job at a time. */
async function open(target: Target, batching: Partial<typeof BATCHED>): Promise<System> {
  const connectionString = target.postgres;
  const utils = await makeWorkerUtils({ connectionString, logger, maxPoolSize: CALLERS });
  const counts = postgresCounts(connectionString, {
    payload: "payload",
    leftFrom: "graphile_worker._private_jobs",
  });
  const task = ({ queue = String(target.queues[0]) }: NewJob): string => queue;
  const spec = ({ priority, delayMs }: NewJob) => ({
    ...(priority === undefined ? {} : { priority }),
    ...(delayMs === undefined ? {} : { runAt: new Date(Date.now() + delayMs) }),
  });
  return {
    prepare: () => utils.migrate(),
    enqueue: (job) => utils.addJob(task(job), job.payload, spec(job)),
    enqueueMany: (jobs) =>
      utils.addJobs(jobs.map((job) => ({ identifier: task(job), payload: job.payload, ...spec(job) }))),
    work: async ({ queues, concurrency, jobs, handle }: Work) => {
      const concurrentJobs = concurrency * (jobs === "mixed" ? queues.length : 1);
      const runner = await run({
        logger,
        noHandleSignals: true,
        preset: {
          worker: {
            connectionString,
            concurrentJobs,
            // The rule of its documentation: ten, or two more than jobs run at once.
            maxPoolSize: Math.max(10, concurrentJobs + 2),
            ...(jobs === "mixed" ? { pollInterval: 500 } : {}),
            ...batching,
          },
        },
        taskList: Object.fromEntries(
          queues.map((queue) => [queue, async (payload: unknown) => handle(payload as Payload)]),
        ),
        parsedCronItems: [],
      });
      return () => runner.stop();
    },
    // Its formula, for the first of them.
    retryMs: Math.exp(1) * 1000,
    left: counts.left,
    close: async () => {
      await utils.release();
      await counts.close();
    },
  };
}
