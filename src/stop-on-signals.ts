import { constants } from "node:os";
import { checkOptions, listOf, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import { OptionError, expected } from "./core/errors.ts";
import type { ShutdownResult } from "./handle.ts";

/** What `stopOnSignals` stops. */
export interface Stoppable {
  /** Called at the first signal. */
  readonly shutdown: () => Promise<ShutdownResult>;
  /** Called at the second. */
  readonly abort: () => Promise<ShutdownResult>;
  /** Resolves when the worker has ended: the signals are Node's again. */
  readonly done: Promise<ShutdownResult>;
}

/** Options of `stopOnSignals`. */
export interface StopOnSignalsOptions {
  /** Default `["SIGTERM", "SIGINT"]`. */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
}

const STOPPABLE = rule("a worker that client.spawnWorker resolved to", (value) =>
  ["shutdown", "abort", "done"].every(
    (name) => typeof value === "object" && value !== null && Reflect.has(value, name),
  ),
);

const RULES: Readonly<Record<keyof StopOnSignalsOptions, Rule>> = {
  signals: listOf("signals that a process can hear", isSignal),
};

/** Whether a process can be told by it: nobody hears of SIGKILL and SIGSTOP. */
function isSignal(name: unknown): boolean {
  return (
    typeof name === "string" &&
    Object.hasOwn(constants.signals, name) &&
    name !== "SIGKILL" &&
    name !== "SIGSTOP"
  );
}

/**
 * Shuts a worker down when the process is told to end: the first signal drains, the second aborts,
 * the third ends the process as Node does by itself. Does not exit: a process whose worker has
 * ended exits when nothing else keeps it alive.
 *
 * @throws OptionError at the call.
 * @returns Takes the signal handlers away again; that happens by itself when the worker has ended.
 */
export function stopOnSignals(worker: Stoppable, options: StopOnSignalsOptions = {}): () => void {
  if (!STOPPABLE.holds(worker)) throw new OptionError(expected("worker", STOPPABLE.is, worker));
  checkOptions("stopOnSignals options", options, RULES);
  const { signals = ["SIGTERM", "SIGINT"] } = options;
  let received = 0;
  const stop = (): void => {
    received += 1;
    if (received === 1) void worker.shutdown();
    else {
      void worker.abort();
      remove();
    }
  };
  const remove = (): void => {
    for (const signal of signals) process.removeListener(signal, stop);
  };
  for (const signal of signals) process.on(signal, stop);
  void worker.done.then(remove);
  return remove;
}
