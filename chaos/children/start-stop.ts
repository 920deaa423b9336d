/**
 * A process that starts and stops workers at random, several at once, and tells what is left. Run,
 * compiled, as `node --expose-gc start-stop.js JSON`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../../src/index.ts";
import type { Client, WorkerHandle } from "../../src/index.ts";
import { randomOf } from "../harness/random.ts";
import type { Random } from "../harness/random.ts";
import { jobs } from "../harness/work.ts";

/** What the process is told on its command line. */
export interface StartStopOrder {
  readonly connectionString: string;
  readonly seed: number;
  /** How many workers start and stop at once. */
  readonly loops: number;
  /** How often each of them does before memory is measured for the first time. 0: it is not measured. */
  readonly warmUp: number;
  /** How often each of them does between that and the second time. */
  readonly rounds: number;
}

/** Its last word. */
export interface StartStopResult {
  readonly said: "result";
  readonly figures: {
    readonly stops: number;
    readonly slowestStopMs: number;
    readonly slowestStartMs: number;
    /** Stops that did not end as they should. */
    readonly badEnds: number;
    /** How much more memory is held than after a warm-up, in bytes. No worker is alive at either time. */
    readonly heapGrowth?: number;
    /** Listeners of the process that were not there before. */
    readonly listenersLeft: number;
  };
  /** What still keeps the process alive when the client is closed. */
  readonly handles: readonly string[];
}

type Jobs = typeof jobs;

const DRAIN_MS = 2_000;

/**
 * Timers hold what ended for up to 10 s, as those of connecting do. After that the same number comes
 * again and again, to some bytes.
 */
const QUIET_MS = 11_000;

/** What is held when nothing goes on, with what is beside the heap, as the bytes of buffers are. */
async function memory(): Promise<number> {
  await sleep(QUIET_MS);
  globalThis.gc?.();
  // Some of it is let go in the turns after that.
  await sleep(50);
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function listeners(): number {
  return process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
}

async function stopSomehow(worker: WorkerHandle, { integer }: Random): Promise<boolean> {
  const way = integer(0, 3);
  const ends = [way === 1 ? worker.abort() : worker.shutdown()];
  if (way === 2) ends.push(worker.shutdown());
  if (way === 3) {
    await sleep(integer(0, 20));
    ends.push(worker.abort());
  }
  const results = await Promise.all(ends);
  return results.every(({ outcome }) => outcome === "drained" || outcome === "aborted");
}

async function main(order: StartStopOrder): Promise<void> {
  const client: Client<Jobs> = createClient({ connectionString: order.connectionString, jobs });
  // The first logger of a process has one of its own.
  const before = listeners();
  let stops = 0;
  let badEnds = 0;
  let slowestStopMs = 0;
  let slowestStartMs = 0;
  const loop = async (random: Random, rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      const startedAt = performance.now();
      const worker = await client.spawnWorker({
        leaseDurationMs: 5_000,
        drainTimeoutMs: DRAIN_MS,
        handlers: { work: (job, { signal }) => sleep(job.payload.ms ?? 0, undefined, { signal }) },
      });
      slowestStartMs = Math.max(slowestStartMs, performance.now() - startedAt);
      await sleep(random.integer(0, 60));
      const stoppedAt = performance.now();
      if (!(await stopSomehow(worker, random))) badEnds += 1;
      slowestStopMs = Math.max(slowestStopMs, performance.now() - stoppedAt);
      stops += 1;
    }
  };
  const randoms = Array.from({ length: order.loops }, (_, n) => randomOf(order.seed + n));
  const all = (rounds: number) => Promise.all(randoms.map((random) => loop(random, rounds)));
  const weighs = order.warmUp > 0;
  await all(order.warmUp);
  const memoryBefore = weighs ? await memory() : 0;
  await all(order.rounds);
  const heap = weighs ? { heapGrowth: (await memory()) - memoryBefore } : {};
  await client.close();
  const handles = process
    .getActiveResourcesInfo()
    .filter((name) => name !== "PipeWrap" && name !== "FSReqCallback");
  const listenersLeft = listeners() - before;
  const result: StartStopResult = {
    said: "result",
    figures: { stops, slowestStopMs, slowestStartMs, badEnds, ...heap, listenersLeft },
    handles,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

await main(JSON.parse(process.argv[2] ?? "") as StartStopOrder);
