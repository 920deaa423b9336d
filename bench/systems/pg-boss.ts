import { PgBoss } from "pg-boss";
import type { JobInsert } from "pg-boss";
import { postgresCounts } from "./postgres-counts.ts";
import { CALLERS, RETRY_MS, byQueue } from "./system.ts";
import type { JobSort, NewJob, Payload, System, Target } from "./system.ts";

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
      for (const queue of queues)
        await boss.work<Payload>(queue, settingsFor(jobs, concurrency), async (jobs) => {
          await Promise.all(jobs.map(async ({ data }) => handle(data)));
        });
      return () => Promise.all(queues.map((queue) => boss.offWork(queue)));
    },
    left: counts.left,
    close: () => Promise.all([boss.stop({ graceful: false }), counts.close()]),
  };
}

function settingsFor(jobs: JobSort, concurrency: number): Readonly<Record<string, number | boolean>> {
  switch (jobs) {
    case "quick":
      return { batchSize: 500, burstWhenBatchFull: true };
    case "slow":
      return { batchSize: concurrency / 4, localConcurrency: 4, burstWhenBatchFull: true };
    case "mixed":
      // A batch succeeds or fails as one.
      return {
        batchSize: 1,
        localConcurrency: concurrency,
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
