/**
 * A process that runs a worker, or several, for tests of how it ends and what is left then.
 *
 * Run as `node --import tsx worker.ts JSON`; writes a line of JSON for each thing that it says. What
 * a job does stands in its payload.
 */
import { createClient, payload, stopOnSignals } from "../../../src/index.ts";
import type {
  AttemptContext,
  Client,
  PayloadSchema,
  ShutdownResult,
  WorkerEvent,
  WorkerSettings,
} from "../../../src/index.ts";

/** What a job does. */
export type Deed =
  /** Succeeds at once. */
  | "succeed"
  /** Never ends, whatever its signal says. */
  | "hang"
  /** Ends when its signal fires. */
  | "obey"
  /** Kills its process. */
  | "kill"
  /** Takes so many milliseconds, whatever its signal says. */
  | { readonly sleepMs: number }
  /** Has this result. */
  | { readonly returns: string };

/** What the process is told on its command line. */
export interface WorkerOrder {
  readonly connectionString: string;
  readonly worker?: WorkerSettings;
  /** How many workers it runs. Default 1. */
  readonly workers?: number;
  /** Leaves the logger to its default. Else there is none. */
  readonly logs?: boolean;
  /** Calls `stopOnSignals`. */
  readonly signals?: boolean;
  /** Subscribers that misbehave, and what is given to the worker's events before its first job. */
  readonly subscribers?: readonly ("throws" | "slow")[];
  /** Shuts down after so many jobs have succeeded. */
  readonly stopAfter?: number;
  /** Says nothing of `claimed`, `attempt-started` and `succeeded`, and tells their numbers at the end. */
  readonly quiet?: boolean;
}

/** A line of the process. */
export type Said =
  | { readonly said: "ready" }
  | { readonly said: "event"; readonly event: WorkerEvent }
  | {
      readonly said: "result";
      readonly result: ShutdownResult;
      /** The ids of the jobs whose success was told: of many at once some may be dropped. */
      readonly succeeded: readonly string[];
      /** The ids of the jobs that ran. */
      readonly ran: readonly string[];
    };

type DeedClient = Client<{ readonly deed: PayloadSchema<Deed> }>;

function say(line: Said): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function perform(deed: Deed, { signal }: AttemptContext): Promise<unknown> {
  if (typeof deed === "object") {
    if ("returns" in deed) return deed.returns;
    return new Promise((resolve) => setTimeout(resolve, deed.sleepMs));
  }
  switch (deed) {
    case "succeed":
      return undefined;
    case "hang":
      return new Promise(() => {});
    case "obey":
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      );
    case "kill":
      process.kill(process.pid, "SIGKILL");
      return new Promise(() => {});
  }
}

/** Holds the thread for three milliseconds. */
function dawdle(): void {
  const from = performance.now();
  while (performance.now() - from < 3);
}

const FREQUENT: readonly WorkerEvent["type"][] = ["claimed", "attempt-started", "succeeded"];

async function run(client: DeedClient, order: WorkerOrder): Promise<() => Promise<void>> {
  const { signals = false, quiet = false, stopAfter = Infinity } = order;
  const ran: string[] = [];
  const worker = await client.spawnWorker({
    ...order.worker,
    handlers: {
      deed: (job, context) => {
        ran.push(job.id);
        return job.payload === "succeed" ? undefined : perform(job.payload, context);
      },
    },
  });
  const succeeded: string[] = [];
  for (const subscriber of order.subscribers ?? []) {
    worker.event$.subscribe(() => {
      if (subscriber === "slow") dawdle();
      else throw new Error("a subscriber of the app threw");
    });
  }
  const told = new Promise<void>((resolve) => {
    worker.event$.subscribe({
      next: (event) => {
        if (!quiet || !FREQUENT.includes(event.type)) say({ said: "event", event });
        if (event.type !== "succeeded") return;
        succeeded.push(event.job.id);
        if (succeeded.length === stopAfter) void worker.shutdown();
      },
      complete: resolve,
    });
  });
  if (signals) stopOnSignals(worker);
  return async () => {
    const result = await worker.done;
    await told;
    say({ said: "result", result, succeeded, ran });
  };
}

async function main(order: WorkerOrder): Promise<void> {
  const { connectionString, logs = false, workers = 1 } = order;
  const client = createClient({
    connectionString,
    jobs: { deed: payload<Deed>() },
    logger: logs ? undefined : false,
  });
  const ends = await Promise.all(Array.from({ length: workers }, async () => run(client, order)));
  say({ said: "ready" });
  await Promise.all(ends.map(async (end) => end()));
  await client.close();
}

await main(JSON.parse(process.argv[2] ?? "") as WorkerOrder);
