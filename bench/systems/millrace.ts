import { createClient, payload } from "../../src/index.ts";
import { postgresCounts } from "./postgres-counts.ts";
import { RETRY_MS } from "./system.ts";
import type { NewJob, Payload, System, Target } from "./system.ts";

/** millrace as it comes: no option but those that a scenario is about. */
export function millrace({ postgres, queues }: Target): System {
  const client = createClient({
    connectionString: postgres,
    jobs: { job: payload<Payload>() },
    logger: false,
  });
  const counts = postgresCounts(postgres, "select count(*) as n from millrace.jobs");
  const optionsOf = ({ queue = queues[0], priority, delayMs }: NewJob) => ({ queue, priority, delayMs });
  return {
    prepare: client.migrate,
    enqueue: (job) => client.enqueue("job", job.payload, optionsOf(job)),
    enqueueMany: (jobs) =>
      client.enqueueMany(jobs.map((job) => ({ kind: "job", payload: job.payload, ...optionsOf(job) }))),
    work: async ({ queues, concurrency, jobs, handle }) => {
      const worker = await client.spawnWorker({
        queues,
        concurrency,
        ...(jobs === "mixed" ? { backoff: { initialMs: RETRY_MS, jitter: 0 } } : {}),
        handlers: { job: (job) => handle(job.payload) },
      });
      return worker.shutdown;
    },
    left: counts.left,
    commands: counts.commands,
    close: () => Promise.all([client.close(), counts.close()]),
  };
}
