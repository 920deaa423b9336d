import type { System, Work } from "./system.ts";

/**
 * The yardstick of jobs that wait: as many bare loops as jobs may run at once, each of which handles one
 * after the other until it is stopped, and neither queue nor store. It enqueues nothing.
 */
export function timers(): System {
  const nothing = (): Promise<void> => Promise.resolve();
  return {
    prepare: nothing,
    enqueue: nothing,
    enqueueMany: nothing,
    work: (work) => Promise.resolve(workInLoops(work)),
    left: () => Promise.resolve({ count: 0 }),
    close: nothing,
  };
}

function workInLoops({ concurrency, handle }: Work): () => Promise<unknown> {
  const stop = new AbortController();
  let next = 0;
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) await handle({ n: next++, sentAt: 0 });
  };
  const ended = Array.from({ length: concurrency }, loop);
  return () => {
    stop.abort();
    return Promise.all(ended);
  };
}
