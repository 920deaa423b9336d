import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { nowMs, sleep } from "./wait.ts";

/** Counts jobs whose work was done, as the ledger's file grows. It asks no database. */
export interface Meter extends AsyncDisposable {
  /** How many there are so far. */
  readonly done: () => number;
  /** Jobs a second between two moments, in milliseconds since 1970. */
  readonly rate: (from: number, to: number) => number;
}

/** Between two readings, in milliseconds. */
const READ_MS = 100;

/** How a line of the ledger begins that a handler wrote about its work. */
const DONE = "told\tdone\t";

interface Sample {
  readonly at: number;
  readonly done: number;
}

/** Begins to count. Disposing it ends that. */
export async function startMeter(file: string): Promise<Meter> {
  const handle = await open(file, "r");
  const samples: Sample[] = [{ at: nowMs(), done: 0 }];
  let stopped = false;
  let rest = "";
  const done = (): number => samples.at(-1)?.done ?? 0;
  const running = (async () => {
    while (!stopped) {
      const at = nowMs();
      const lines = (rest + (await readOn(handle))).split("\n");
      rest = lines.pop() ?? "";
      samples.push({ at, done: done() + lines.filter((line) => line.startsWith(DONE)).length });
      await sleep(READ_MS);
    }
    await handle.close();
  })();
  return {
    done,
    rate: (from, to) => {
      const [first, last] = [samples.find(({ at }) => at >= from), samples.findLast(({ at }) => at <= to)];
      if (first === undefined || last === undefined || last.at <= first.at) return 0;
      return ((last.done - first.done) / (last.at - first.at)) * 1_000;
    },
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      await running;
    },
  };
}

/** What was written since the last reading. */
async function readOn(handle: FileHandle): Promise<string> {
  const chunk = Buffer.alloc(1 << 20);
  let text = "";
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return text;
    text += chunk.toString("latin1", 0, bytesRead);
  }
}
