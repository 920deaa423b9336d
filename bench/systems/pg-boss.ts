import { PgBoss } from "pg-boss";
import type { BatchJob, JobInsert, JobResult } from "pg-boss";
import { postgresCounts } from "./postgres-counts.ts";
import { CALLERS, RETRY_MS, byQueue } from "./system.ts";
import type { Handle, JobSort, NewJob, Payload, System, Target } from "./system.ts";

/** pg-boss with LISTEN and NOTIFY, batches of 500, and bursts while batches come back full. */
export async function pgBoss(target: Target): Promise<System> {
  const { postgres, queues } = target;
  const boss = new PgBoss({
    connectionString: postgres,
    max: CALLERS,
    useListenNotify: true,
    schedule: false,
  });
  boss.on("error", (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
  await boss.start();
  const counts = postgresCounts(postgres, {
    payload: "data",
    leftFrom: "pgboss.job where state < 'completed'",
  });
  return {
    prepare: async () => {
      for (const queue of queues)
        await boss.createQueue(queue, { notify: true, retryDelay: RETRY_MS / 1000 });
    },
    enqueue: (job) => boss.send(job.queue ?? String(queues[0]), job.payload, optionsOf(job)),
    enqueueMany: async (jobs) => {
      for (const [queue, ofQueue] of byQueue(jobs, target))
        await boss.insert(
          queue,
          ofQueue.map((job) => ({ data: job.payload, ...optionsOf(job) })),
        );
    },
    work: async ({ queues, concurrency, jobs, handle }) => {
      const handleAll = jobs === "mixed" ? oneByOne(handle) : asOne(handle);
      for (const queue of queues) await boss.work<Payload>(queue, settingsFor(jobs, concurrency), handleAll);
      return () => Promise.all(queues.map((queue) => boss.offWork(queue)));
    },
    left: counts.left,
    close: () => Promise.all([boss.stop({ graceful: false }), counts.close()]),
  };
}

/** Handles a batch that succeeds or fails as a whole. */
function asOne(handle: Handle): (batch: readonly BatchJob<Payload>[]) => Promise<void> {
  return async (batch) => {
    await Promise.all(batch.map(async ({ data }) => handle(data)));
  };
}

/** Handles a batch for `perJobResults`: each job of it succeeds or fails by itself. */
function oneByOne(handle: Handle): (batch: readonly BatchJob<Payload>[]) => Promise<readonly JobResult[]> {
  const resultOf = async ({ id, data }: BatchJob<Payload>): Promise<JobResult> => {
    try {
      await handle(data);
      return { id, status: "completed" };
    } catch (error) {
      return { id, status: "failed", output: { message: String(error) } };
    }
  };
  return (batch) => Promise.all(batch.map(resultOf));
}

function settingsFor(jobs: JobSort, concurrency: number): Readonly<Record<string, number | boolean>> {
  switch (jobs) {
    case "quick":
      return { batchSize: 500, burstWhenBatchFull: true };
    case "slow":
      return { batchSize: concurrency / 4, localConcurrency: 4, burstWhenBatchFull: true };
    case "mixed":
      // With a job a batch and more workers it does not keep up, and jobs begin seconds late.
      return {
        batchSize: concurrency,
        perJobResults: true,
        burstWhenBatchFull: true,
        pollingIntervalSeconds: 0.5,
        notifyPollingIntervalSeconds: 0.5,
      };
  }
}

/** Its higher priorities run first. */
function optionsOf({ priority, delayMs }: NewJob): JobInsert {
  return {
    ...(priority === undefined ? {} : { priority: -priority }),
    ...(delayMs === undefined ? {} : { startAfter: new Date(Date.now() + delayMs) }),
  };
}
