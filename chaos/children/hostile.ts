/**
 * A process that runs hostile handlers, and harmless ones beside them, and tells how their jobs ended.
 * Run, compiled, as `node hostile.js JSON`. It must end by itself.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, payload } from "../../src/index.ts";
import type { PayloadSchema, WorkerEvent } from "../../src/index.ts";
import { HOSTILE } from "./hostile-handlers.ts";
import type { Hostile } from "./hostile-handlers.ts";

/** What the process is told on its command line. */
export interface HostileOrder {
  readonly connectionString: string;
  /** How many harmless jobs run beside the hostile ones. */
  readonly harmless: number;
}

/** Its last and only word. */
export interface HostileResult {
  readonly said: "result";
  readonly hostile: number;
  /** Those of which no end was told within the time. */
  readonly unended: readonly string[];
  /** Those that ended in another state than they should, or that were, or were not, given up. */
  readonly wrongEnds: readonly string[];
  /** Those whose reason does not tell what happened. */
  readonly unreadable: readonly string[];
  /** Harmless jobs that succeeded. */
  readonly harmlessDone: number;
}

const jobs: {
  readonly hostile: PayloadSchema<{ readonly name: string }>;
  readonly harmless: PayloadSchema<object>;
} = {
  hostile: payload<{ readonly name: string }>(),
  harmless: payload<object>(),
};

const ENDS: readonly string[] = [
  "succeeded",
  "failed",
  "cancelled",
  "retry-scheduled",
  "released",
  "lease-lost",
];

/** More than the slowest of them takes, one after the other. */
const WAIT_MS = 20_000;

/** What was told of a job. */
interface Told {
  ends: string[];
  leaked: boolean;
}

async function main(order: HostileOrder): Promise<void> {
  const client = createClient({ connectionString: order.connectionString, jobs, logger: false });
  const names = Object.keys(HOSTILE);
  const told = new Map<string, Told>(names.map((name) => [name, { ends: [], leaked: false }]));
  const nameOf = new Map<string, string>();
  let harmlessDone = 0;
  const hear = (event: WorkerEvent): void => {
    if (!("job" in event)) return;
    if (event.job.kind === "harmless") harmlessDone += event.type === "succeeded" ? 1 : 0;
    const of = told.get(nameOf.get(event.job.id) ?? "");
    if (of === undefined) return;
    if (event.type === "leaked") of.leaked = true;
    if (ENDS.includes(event.type)) of.ends.push(event.type);
  };
  const ids = await client.enqueueMany(
    names.map(
      (name) => ({ kind: "hostile", payload: { name }, maxAttempts: 1, ...HOSTILE[name]?.options }) as const,
    ),
  );
  ids.forEach((id, n) => nameOf.set(id, names[n] ?? ""));
  await client.enqueueMany(
    Array.from(
      { length: order.harmless },
      () => ({ kind: "harmless", payload: {}, maxAttempts: 1 }) as const,
    ),
  );
  const worker = await client.spawnWorker({
    concurrency: names.length + 10,
    handlers: {
      hostile: (job, context) => HOSTILE[job.payload.name]?.run(context, job),
      harmless: () => sleep(10),
    },
  });
  worker.event$.subscribe(hear);
  const over = (): boolean =>
    harmlessDone >= order.harmless && [...told.values()].every(({ ends }) => ends.length > 0);
  for (const endsAt = performance.now() + WAIT_MS; performance.now() < endsAt && !over();) await sleep(20);
  const failed = await client.listFailed(1_000);
  await worker.shutdown();
  await client.close();
  const reasons = new Map(failed.map(({ id, reason }) => [nameOf.get(id) ?? "", reason]));
  const result: HostileResult = {
    said: "result",
    hostile: names.length,
    unended: names.filter((name) => told.get(name)?.ends.length === 0),
    wrongEnds: names.filter((name) => isWrong(HOSTILE[name], told.get(name), reasons.has(name))),
    unreadable: names
      .filter((name) => HOSTILE[name]?.reason?.test(reasons.get(name) ?? "") === false)
      .map((name) => `${name}: ${(reasons.get(name) ?? "no reason").slice(0, 100)}`),
    harmlessDone,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function isWrong(hostile: Hostile | undefined, told: Told | undefined, kept: boolean): boolean {
  if (hostile === undefined || told === undefined) return true;
  const { ends, leaks = false } = hostile;
  return told.ends.join(",") !== ends || told.leaked !== leaks || kept !== (ends === "failed");
}

await main(JSON.parse(process.argv[2] ?? "") as HostileOrder);
