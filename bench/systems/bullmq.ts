import { Queue, Worker, createPostgresBackend, runMigrations } from "bullmq";
import type { Backend } from "bullmq";
import { Redis } from "ioredis";
import pg from "pg";
import { postgresCounts } from "./postgres-counts.ts";
import { CALLERS, RETRY_MS, byQueue } from "./system.ts";
import type { NewJob, Payload, System, Target } from "./system.ts";

/** Finished jobs go, which is what its documentation says to do. */
const JOB = { removeOnComplete: true, attempts: 3, backoff: { type: "fixed", delay: RETRY_MS } };

/** BullMQ on Redis. */
export function bullmqRedis(target: Target): System {
  const connection = { host: "127.0.0.1", port: Number(target.redisPort) };
  const counter = new Redis({ ...connection, lazyConnect: true });
  const system = open(target, () => connection, undefined);
  return {
    ...system,
    prepare: () => Promise.resolve(),
    commands: async () => Number(/total_commands_processed:(\d+)/.exec(await counter.info("stats"))?.[1]),
    close: async () => {
      await system.close();
      counter.disconnect();
    },
  };
}

/**
 * BullMQ on Postgres. The queues of a process share a pool, and so do its workers, with as many
 * connections as jobs run at once and one more for the LISTEN of each.
 */
export function bullmqPostgres(target: Target): System {
  const pools: pg.Pool[] = [];
  const connect = (max: number): pg.Pool => {
    const pool = new pg.Pool({
      connectionString: target.postgres,
      options: "-c search_path=bullmq",
      keepAlive: true,
      max,
    });
    // Each of the queues and workers that share it listens for its errors.
    pool.setMaxListeners(0);
    pools.push(pool);
    return pool;
  };
  const system = open(target, connect, createPostgresBackend);
  const counts = postgresCounts(target.postgres, { payload: "data", leftFrom: "bullmq.job" });
  return {
    ...system,
    prepare: async () => {
      const client = new pg.Client({ connectionString: target.postgres });
      await client.connect();
      await runMigrations(client);
      await client.end();
    },
    left: counts.left,
    close: async () => {
      await system.close();
      await Promise.all([...pools.map((pool) => pool.end()), counts.close()]);
    },
  };
}

function open(
  target: Target,
  connect: (connections: number) => unknown,
  backend: Backend | undefined,
): Omit<System, "prepare"> {
  let shared: unknown;
  const queues = new Map<string, Queue<Payload>>();
  const queueOf = (name = String(target.queues[0])): Queue<Payload> => {
    const known = queues.get(name);
    if (known !== undefined) return known;
    const connection = (shared ??= connect(CALLERS));
    const queue = new Queue<Payload>(name, { connection, defaultJobOptions: JOB }, backend);
    queues.set(name, queue);
    return queue;
  };
  return {
    enqueue: (job) => queueOf(job.queue).add("job", job.payload, optionsOf(job)),
    enqueueMany: async (jobs) => {
      for (const [queue, ofQueue] of byQueue(jobs, target))
        await queueOf(queue).addBulk(
          ofQueue.map((job) => ({ name: "job", data: job.payload, opts: optionsOf(job) })),
        );
    },
    work: async ({ queues, concurrency, handle }) => {
      const connection = connect(queues.length * (concurrency + 1));
      const workers = queues.map((queue) => {
        const options = { connection, concurrency };
        const worker = new Worker<Payload>(queue, async ({ data }) => handle(data), options, backend);
        worker.on("error", (error) => process.stderr.write(`bullmq: ${error.message}\n`));
        return worker;
      });
      await Promise.all(workers.map((worker) => worker.waitUntilReady()));
      return () => Promise.all(workers.map((worker) => worker.close()));
    },
    left: async () => {
      const counts = await Promise.all(
        target.queues.map((name) => queueOf(name).getJobCounts(...UNFINISHED)),
      );
      return { count: counts.flatMap((byState) => Object.values(byState)).reduce((sum, n) => sum + n, 0) };
    },
    close: () => Promise.all([...queues.values()].map((queue) => queue.close())),
  };
}

const UNFINISHED = ["wait", "paused", "prioritized", "delayed", "active", "failed"] as const;

function optionsOf({ priority, delayMs }: NewJob): { priority?: number; delay?: number } {
  return {
    ...(priority === undefined ? {} : { priority }),
    ...(delayMs === undefined ? {} : { delay: delayMs }),
  };
}
