/**
 * A process that enqueues jobs, each after a pause. Run, compiled, as `node enqueuer.js JSON`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../../src/index.ts";
import type { JobOptions } from "../../src/index.ts";
import { nowMs } from "../harness/wait.ts";
import { jobs } from "../harness/work.ts";
import type { Deed, Work } from "../harness/work.ts";
import type { WrongClock } from "./wrong-clock.ts";

/** What the process is told on its command line. */
export interface EnqueuerOrder {
  readonly connectionString: string;
  readonly calls: readonly EnqueueCall[];
  readonly clock: WrongClock;
}

/** One job. */
export interface EnqueueCall {
  readonly work: Work;
  readonly options: Pick<JobOptions, "queue" | "delayMs" | "backoff" | "timeoutMs">;
  /** In how many milliseconds it is to run at the latest: a moment of the right clock. */
  readonly runInMs?: number;
  /** How long the process waits before. */
  readonly pauseMs: number;
}

/** What it says. */
export type EnqueuerSaid =
  | { readonly said: "enqueued"; readonly id: string; readonly deed: Deed }
  | { readonly said: "ended" };

function say(said: EnqueuerSaid): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

async function main({ connectionString, calls }: EnqueuerOrder): Promise<void> {
  const client = createClient({ connectionString, jobs, logger: false });
  for (const { work, options, runInMs, pauseMs } of calls) {
    await sleep(pauseMs);
    const runAt = runInMs === undefined ? undefined : new Date(nowMs() + runInMs);
    say({ said: "enqueued", id: await client.enqueue("work", work, { ...options, runAt }), deed: work.deed });
  }
  await client.close();
  say({ said: "ended" });
}

await main(JSON.parse(process.argv[2] ?? "") as EnqueuerOrder);
