/** A child of the bench: one system in a fresh process, which does what the lines on its input say. */
import { createInterface } from "node:readline";
import { handlersOf } from "./child/handlers.ts";
import type { Handlers } from "./child/handlers.ts";
import type { Answer, Line, Orders, Usage } from "./child/orders.ts";
import { sendersOf } from "./child/senders.ts";
import { SYSTEMS } from "./systems/index.ts";
import type { SystemName } from "./systems/names.ts";
import type { Target } from "./systems/system.ts";

const [name, target] = process.argv.slice(2).map((text) => JSON.parse(text) as unknown) as [
  SystemName,
  Target,
];
const system = await SYSTEMS[name](target);

/** How long stopping and closing may take, in milliseconds: longer than the bench waits until it kills. */
const END_TIMEOUT_MS = 15_000;

let handlers: Handlers | undefined;
let stop: (() => Promise<unknown>) | undefined;
/** Processor time of the collections that are of our making. */
let collectingUs = 0;
/** Warnings of Node, by name. What nobody handles ends the process, so that it need not be counted. */
const warnings: Record<string, number> = {};
process.on("warning", ({ name }) => {
  warnings[name] = (warnings[name] ?? 0) + 1;
});

const answers: { readonly [Name in keyof Orders]: (asked: Orders[Name]["asked"]) => unknown } = {
  ...sendersOf(system, target.queues),
  prepare: () => system.prepare(),
  work: async ({ concurrency, sort, atOnce }) => {
    handlers = handlersOf(sort, system.retryMs);
    const jobs = sort === "mixed" ? "mixed" : sort === "wait" ? "slow" : "quick";
    const { handle } = handlers;
    stop = await system.work({ queues: target.queues, concurrency, atOnce, jobs, handle });
  },
  tally: () => handlers?.tally(),
  lap: () => handlers?.lap(),
  lateness: () => handlers?.lateness(),
  usage: () => {
    const cpuUs = allCpuUs() - collectingUs;
    globalThis.gc?.();
    collectingUs = allCpuUs() - cpuUs;
    const { heapUsed, rss } = process.memoryUsage();
    return { heapMb: heapUsed / 1e6, residentMb: rss / 1e6, cpuUs } satisfies Usage;
  },
  left: () => system.left(),
  commands: () => system.commands?.(),
  troubles: () => ({ ...warnings, ...system.troubles?.() }),
  stop: stopWork,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, order, asked } = JSON.parse(line) as Line;
  // The next line may come before this one is answered.
  void carryOut(id, order, asked);
}
// The bench is done with it, or is gone. Whatever is not over by then does not outlive it for long.
setTimeout(() => process.exit(1), END_TIMEOUT_MS).unref();
await stopWork();
await system.close();

/** Stops the worker, where one works: no system is to hear it twice. */
async function stopWork(): Promise<void> {
  const stopping = stop;
  stop = undefined;
  await stopping?.();
}

function allCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function carryOut(id: number, order: keyof Orders, asked: never): Promise<void> {
  const tell = (line: Answer): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);
  try {
    const answer = await answers[order](asked);
    tell({ id, ...(typeof answer === "object" || typeof answer === "number" ? { answer } : {}) });
  } catch (error) {
    tell({ id, error: error instanceof Error ? String(error.stack) : String(error) });
  }
}
