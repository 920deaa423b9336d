/**
 * What publishing events costs and how soon they arrive, on one machine: no-op jobs per second with a
 * worker that publishes never, to nobody, and to one listener in another process, in turns within one
 * run; and the time from the worker's own `succeeded` to that of the listener.
 *
 * `node --import tsx bench/events.ts --jobs 60000 --rounds 6 --samples 300`
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { filter, firstValueFrom } from "rxjs";
import { startEmbeddedPostgres } from "../src/embedded/index.ts";
import { createClient } from "../src/index.ts";
import type { PublishMode } from "../src/index.ts";
import type { Heard } from "./events-subscriber.ts";
import { jobs } from "./jobs.ts";

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "60000" },
    rounds: { type: "string", default: "6" },
    samples: { type: "string", default: "300" },
    concurrency: { type: "string", default: "24" },
  },
});

const server = process.env["DATABASE_URL"] === undefined ? await startEmbeddedPostgres() : undefined;
const connectionString = server?.connectionString ?? String(process.env["DATABASE_URL"]);
const client = createClient({ connectionString, jobs, logger: false });
await client.migrate();
const child = fork(fileURLToPath(new URL("events-subscriber.ts", import.meta.url)), {
  execArgv: ["--import", "tsx"],
  env: { ...process.env, DATABASE_URL: connectionString },
});

/** When each job succeeded here. */
const settledAt = new Map<string, number>();

await singly(Number(values.samples));
await cost(Number(values.rounds), Number(values.jobs));

child.send("end");
await once(child, "exit");
await client.close();
await server?.stop();

/** Jobs one at a time, idle between. */
async function singly(samples: number): Promise<void> {
  const worker = await client.spawnWorker({ handlers: { noop: () => undefined } });
  const note = worker.event$.subscribe((event) => {
    if (event.type === "succeeded") settledAt.set(event.job.id, performance.timeOrigin + performance.now());
  });
  await listening();
  for (let n = 0; n < samples; n += 1) {
    const done = firstValueFrom(worker.event$.pipe(filter((event) => event.type === "succeeded")));
    await client.enqueue("noop", { sentAt: 0 });
    await done;
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20));
  }
  const heard = await silent();
  note.unsubscribe();
  await worker.shutdown();
  tellDelays("settle to listener, one at a time", delaysOf(heard), heard.missed);
}

/** What one drain of the queue took. */
interface Drained {
  readonly jobsPerS: number;
  /** Processor time of this process for a job, which says more than the rate on a busy machine. */
  readonly cpuUsPerJob: number;
}

/** Full speed: the three ways in turns, each round beginning with another. */
async function cost(rounds: number, count: number): Promise<void> {
  const ways = ["never", "to nobody", "to one listener"] as const;
  const figures = new Map<string, Drained[]>(ways.map((way) => [way, []]));
  await drain("never", count);
  const delays: number[] = [];
  let missed = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < ways.length; turn += 1) {
      const way = ways[(round + turn) % ways.length] ?? "never";
      if (way === "to one listener") await listening();
      figures.get(way)?.push(await drain(way === "never" ? "never" : "auto", count));
      if (way === "to one listener") {
        const heard = await silent();
        delays.push(...delaysOf(heard));
        missed += heard.missed;
      }
    }
  }
  const base = figures.get("never") ?? [];
  for (const way of ways) {
    const own = figures.get(way) ?? [];
    const of = (figure: keyof Drained): string => {
      const ratios = own.map((one, round) => one[figure] / (base[round]?.[figure] ?? Number.NaN));
      return `${median(own.map((one) => one[figure])).toFixed(1)} (${median(ratios).toFixed(3)} of never)`;
    };
    print(`no-op jobs, published ${way}`, `jobs/s ${of("jobsPerS")}, CPU µs/job ${of("cpuUsPerJob")}`);
  }
  tellDelays("settle to listener, full speed", delays, missed);
}

/** Jobs through claim, handler and settle. */
async function drain(publish: PublishMode, count: number): Promise<Drained> {
  await client.enqueueMany(
    Array.from({ length: count }, () => ({ kind: "noop" as const, payload: { sentAt: 0 } })),
  );
  settledAt.clear();
  let done = 0;
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const worker = await client.spawnWorker({
    publish,
    concurrency: Number(values.concurrency),
    handlers: { noop: () => undefined },
  });
  await new Promise<void>((resolve) => {
    worker.event$.subscribe((event) => {
      if (event.type !== "succeeded") return;
      settledAt.set(event.job.id, performance.timeOrigin + performance.now());
      done += 1;
      if (done === count) resolve();
    });
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await worker.shutdown();
  return { jobsPerS: count / seconds, cpuUsPerJob: (user + system) / count };
}

async function listening(): Promise<void> {
  child.send("on");
  await once(child, "message");
}

async function silent(): Promise<Heard> {
  // What is under way arrives.
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.send("off");
  const [heard] = (await once(child, "message")) as [Heard];
  return heard;
}

function delaysOf({ succeeded }: Heard): number[] {
  return succeeded.map(([id, at]) => at - (settledAt.get(id) ?? Number.NaN));
}

function tellDelays(what: string, delays: number[], missed: number): void {
  delays.sort((a, b) => a - b);
  const at = (share: number): string =>
    (delays[Math.floor(share * (delays.length - 1))] ?? Number.NaN).toFixed(2);
  print(what, `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms over ${delays.length} jobs, ${missed} events missed`);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function print(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(38)}${figure}\n`);
}
