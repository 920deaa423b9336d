import { setTimeout } from "node:timers/promises";
import { now } from "../systems/system.ts";
import type { NewJob, Payload, System } from "../systems/system.ts";
import type { Orders, Sent } from "./orders.ts";

/** The orders that enqueue. */
type Sends = "fill" | "fillAtOnce" | "call" | "probe" | "load" | "mix";

/** Probes are numbered from here, so that they are told from a load beside them. */
const FIRST_PROBE = 1e9;

/** Jobs in one call of `fill`. */
const CHUNK = 10_000;

/** Milliseconds between two batches of a load. */
const TICK_MS = 10;

/** What enqueues, by the order that asks for it. `queues` are those to spread a mix over. */
export function sendersOf(
  system: System,
  queues: readonly string[],
): { readonly [Name in Sends]: (asked: Orders[Name]["asked"]) => Promise<Sent> } & {
  /** Ends the load. */
  readonly cease: () => void;
} {
  let next = 0;
  const ceased = new AbortController();
  const payload = (more: Partial<Payload> = {}): Payload => ({ n: next++, sentAt: now(), ...more });
  const many = (count: number, more: Omit<NewJob, "payload"> = {}): NewJob[] =>
    Array.from({ length: count }, () => ({ payload: payload(), ...more }));

  const counted = async (send: () => Promise<unknown>, from = next): Promise<Sent> => {
    const startedAt = now();
    const startedCpu = process.cpuUsage();
    await send();
    const { user, system } = process.cpuUsage(startedCpu);
    const count = next - from;
    return {
      count,
      sum: ((from + next - 1) * count) / 2,
      seconds: (now() - startedAt) / 1000,
      cpuUs: user + system,
    };
  };

  return {
    fill: ({ count, delayMs }) =>
      counted(async () => {
        const delayed = delayMs === undefined ? {} : { delayMs };
        for (let left = count; left > 0; left -= CHUNK)
          await system.enqueueMany(many(Math.min(left, CHUNK), delayed));
      }),
    // What they send is made before the clock starts.
    fillAtOnce: ({ count }) => {
      const from = next;
      const jobs = many(count);
      return counted(() => system.enqueueMany(jobs), from);
    },
    call: ({ count, callers }) => {
      const from = next;
      const jobs = many(count);
      const caller = async (): Promise<void> => {
        for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) await system.enqueue(job);
      };
      return counted(() => Promise.all(Array.from({ length: callers }, caller)), from);
    },
    probe: ({ count, gapMs }) => {
      next += FIRST_PROBE;
      return counted(async () => {
        for (let left = count; left > 0; left -= 1) {
          await system.enqueue({ payload: payload({ probe: true }) });
          await setTimeout(gapMs * (0.5 + Math.random()));
        }
      });
    },
    load: ({ perSecond }) => {
      const rate = { perSecond, seconds: Infinity, isOver: () => ceased.signal.aborted };
      return counted(() => steadily(rate, (count) => system.enqueueMany(many(count))));
    },
    cease: () => ceased.abort(),
    mix: (rate) =>
      counted(() =>
        steadily(rate, (count) =>
          Promise.all(Array.from({ length: count }, () => system.enqueue(anyJob(payload, queues)))),
        ),
      ),
  };
}

/** One of the queues and of 3 priorities; one in 20 fails first, one in 10 is delayed by up to 2 s. */
function anyJob(payload: (more: Partial<Payload>) => Payload, queues: readonly string[]): NewJob {
  const delayed = Math.random() < 0.1 ? { delayMs: Math.round(200 + Math.random() * 1800) } : {};
  const fails = Math.random() < 0.05 ? { fails: true } : {};
  return {
    payload: payload({ ...delayed, ...fails }),
    queue: String(queues[Math.floor(Math.random() * queues.length)]),
    priority: 1 + Math.floor(Math.random() * 3),
    ...delayed,
  };
}

/** A steady rate, until its time is over or it is told to cease. */
interface Rate {
  readonly perSecond: number;
  readonly seconds: number;
  readonly isOver?: () => boolean;
}

/** Sends at each tick what is due by then, and in the end waits for all that was sent. The first error ends it. */
async function steadily(
  { perSecond, seconds, isOver = () => false }: Rate,
  send: (count: number) => Promise<unknown>,
): Promise<void> {
  const startedAt = performance.now();
  const total = Math.round(perSecond * seconds);
  const sending: Promise<unknown>[] = [];
  const failed = new AbortController();
  for (let sent = 0; sent < total && !isOver();) {
    await setTimeout(TICK_MS);
    if (failed.signal.aborted) break;
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * perSecond));
    if (due > sent) {
      const batch = send(due - sent);
      batch.catch(() => failed.abort());
      sending.push(batch);
    }
    sent = due;
  }
  await Promise.all(sending);
}
