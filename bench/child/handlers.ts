import { setTimeout } from "node:timers/promises";
import { RETRY_MS, now } from "../systems/system.ts";
import type { Handle, Payload } from "../systems/system.ts";
import type { Sort, Tally } from "./orders.ts";

/** Milliseconds that a job of `wait` takes. */
const WAIT_MS = 5;

/** Handlers that count what they do. */
export interface Handlers {
  readonly handle: Handle;
  readonly tally: () => Tally;
  /** Begins to measure anew. */
  readonly lap: () => void;
  /** Milliseconds between the moment that an attempt was due and its begin, by the sort of job. */
  readonly lateness: () => Readonly<Record<string, readonly number[]>>;
}

/** Makes the handler of a sort; `retryMs` is what the library waits before a second attempt. */
export function handlersOf(sort: Sort, retryMs = RETRY_MS): Handlers {
  let handled = 0;
  let sum = 0;
  let lapFrom = 0;
  let firstAt = 0;
  let lastAt = 0;
  let cpuAtFirst = process.cpuUsage();
  const lateness: Record<string, number[]> = {};
  const failedAt = new Map<number, number>();

  const began = (): void => {
    if (firstAt !== 0) return;
    cpuAtFirst = process.cpuUsage();
    firstAt = now();
  };
  const done = ({ n }: Payload): void => {
    handled += 1;
    sum += n;
    lastAt = performance.now();
  };
  const late = (what: string, dueAt: number): void => {
    (lateness[what] ??= []).push(now() - dueAt);
  };
  const handlers: Readonly<Record<Sort, Handle>> = {
    noop: (payload) => {
      began();
      done(payload);
    },
    wait: async (payload) => {
      began();
      await setTimeout(WAIT_MS);
      done(payload);
    },
    probe: (payload) => {
      began();
      if (payload.probe === true) late("probe", payload.sentAt);
      done(payload);
    },
    mixed: (payload) => {
      began();
      const { n, sentAt, delayMs, fails } = payload;
      const failed = failedAt.get(n);
      if (failed !== undefined) late("retried", failed + retryMs);
      else if (delayMs === undefined) late("prompt", sentAt);
      else late("delayed", sentAt + delayMs);
      if (fails === true && failed === undefined) {
        failedAt.set(n, now());
        throw new Error("This attempt was to fail");
      }
      done(payload);
    },
  };
  return {
    handle: handlers[sort],
    tally: () => {
      const { user, system } = process.cpuUsage(cpuAtFirst);
      const inLap = handled - lapFrom;
      return { handled, sum, inLap, firstAt, lastAt: lastAt + OFFSET, cpuUs: user + system };
    },
    lap: () => {
      lapFrom = handled;
      firstAt = 0;
    },
    lateness: () => lateness,
  };
}

/** From `performance.now()`, which is quicker, to the clock that all processes share. */
const OFFSET = now() - performance.now();
