import { pino } from "pino";
import { createClient, payload } from "../../src/index.ts";
import { postgresCounts } from "./postgres-counts.ts";
import { RETRY_MS } from "./system.ts";
import type { Handle, NewJob, Payload, System, Target } from "./system.ts";

/** millrace as it comes: no option but those that a scenario is about, and an async handler as all have. */
export function millrace(target: Target): System {
  return open(target, (handle) => async (payload) => handle(payload));
}

/** millrace with a handler that returns a plain value where there is nothing to wait for. */
export function millraceSync(target: Target): System {
  return open(target, (handle) => handle);
}

function open({ postgres, queues }: Target, handlerOf: (handle: Handle) => Handle): System {
  const troubles: Record<string, number> = {};
  const write = (line: string): void => {
    const { event, msg } = JSON.parse(line) as { readonly event?: string; readonly msg?: string };
    const what = event ?? String(msg);
    // Some jobs of `mixed` are to fail.
    if (what === "retry-scheduled") return;
    troubles[what] = (troubles[what] ?? 0) + 1;
    process.stderr.write(line);
  };
  const client = createClient({
    connectionString: postgres,
    jobs: { job: payload<Payload>() },
    logger: pino({ level: "warn" }, { write }),
  });
  const counts = postgresCounts(postgres, { payload: "payload", leftFrom: "millrace.jobs" });
  const optionsOf = ({ queue = queues[0], priority, delayMs }: NewJob) => ({ queue, priority, delayMs });
  return {
    prepare: client.migrate,
    enqueue: (job) => client.enqueue("job", job.payload, optionsOf(job)),
    enqueueMany: (jobs) =>
      client.enqueueMany(jobs.map((job) => ({ kind: "job", payload: job.payload, ...optionsOf(job) }))),
    work: async ({ queues, concurrency, jobs, handle }) => {
      const handler = handlerOf(handle);
      const worker = await client.spawnWorker({
        queues,
        concurrency,
        ...(jobs === "mixed" ? { backoff: { initialMs: RETRY_MS, jitter: 0 } } : {}),
        handlers: { job: (job) => handler(job.payload) },
      });
      return worker.shutdown;
    },
    left: counts.left,
    troubles: () => troubles,
    close: () => Promise.all([client.close(), counts.close()]),
  };
}
