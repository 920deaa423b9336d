import { ReplaySubject, NEVER, timer } from "rxjs";
import type { Observable } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { expect } from "vitest";
import type { Arrival, CancelOrders, DueHint } from "../../src/core/arrival.ts";
import type { WorkerEvent } from "../../src/core/events.ts";
import type { Store } from "../../src/core/store.ts";
import { resolveSettings } from "../../src/settings.ts";
import type { WorkerSettings } from "../../src/options.ts";
import type { Log } from "../../src/stages/context.ts";
import type { Handler } from "../../src/stages/handler.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import type { MemoryStore } from "../../src/testing/memory-store.ts";
import { workerStream } from "../../src/worker-stream.ts";

/** What a virtual worker is made of; everything has a default. */
export interface VirtualSetup {
  readonly settings?: WorkerSettings;
  readonly handlers: Readonly<Record<string, Handler>>;
  readonly notify$?: Observable<Arrival | CancelOrders | DueHint>;
  /** Stands before the memory store, to fail or to wait. */
  readonly around?: (store: MemoryStore) => Store;
  readonly latencyMs?: number;
}

/** A worker over the memory store in virtual time. */
export interface VirtualWorker {
  readonly store: MemoryStore;
  /** Calls something at a moment, in milliseconds. */
  readonly at: (ms: number, call: () => unknown) => void;
  readonly shutdown: () => void;
  readonly abort: () => void;
  /** Runs to the end of what is planned, at most to `untilMs`; answers with what happened, and tells each event. */
  readonly run: (untilMs: number, told?: (event: WorkerEvent) => void) => readonly Heard[];
}

/** An event and its moment. */
export interface Heard {
  readonly ms: number;
  readonly event: WorkerEvent | { readonly type: "complete" };
}

/** Runs a story of one worker in virtual time. */
export function inVirtualTime(setup: VirtualSetup, story: (worker: VirtualWorker) => void): void {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run(() => {
    const store = memoryStore({ latencyMs: setup.latencyMs ?? 0 });
    const shutdown$ = new ReplaySubject<void>(1);
    const abort$ = new ReplaySubject<void>(1);
    const heard: Heard[] = [];
    const planned: (() => void)[] = [];
    const hear = (event: Heard["event"]): void => void heard.push({ ms: scheduler.now(), event });
    const event$ = workerStream({
      store: setup.around?.(store) ?? store,
      settings: resolveSettings({ label: "virtual", backoff: { jitter: 0 }, ...setup.settings }),
      kinds: Object.keys(setup.handlers),
      maxAttempts: 3,
      notify$: setup.notify$ ?? NEVER,
      handlers: {
        handlerOf: (kind) => setup.handlers[kind],
        prepare: (job) => job,
        logOf: () => SILENT,
      },
      completeIn: (_tx, workerId, job) => Promise.resolve(store.completeInTransaction(workerId, job)),
      shutdown$,
      abort$,
      isFatal: () => false,
      random: () => 0,
    });
    story({
      store,
      at: (ms, call) => planned.push(() => void timer(ms).subscribe(call)),
      shutdown: () => shutdown$.next(),
      abort: () => abort$.next(),
      run: (untilMs, also = () => undefined) => {
        for (const plan of planned) plan();
        const next = (event: WorkerEvent): void => {
          hear(event);
          also(event);
        };
        const subscription = event$.subscribe({ next, complete: () => hear({ type: "complete" }) });
        timer(untilMs).subscribe(() => subscription.unsubscribe());
        scheduler.flush();
        return heard;
      },
    });
  });
}

/** What happened, as `ms type id`, of the types that are asked for. */
export function told(heard: readonly Heard[], ...types: readonly string[]): readonly string[] {
  return heard
    .filter(({ event }) => types.length === 0 || types.includes(event.type))
    .map(({ ms, event }) =>
      ["job" in event ? `${event.type} ${event.job.id}` : event.type, `@${ms}`].join(" "),
    );
}

const SILENT: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
