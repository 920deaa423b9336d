import pg from "pg";
import { Subject, concatMap, filter, firstValueFrom, take, takeUntil, tap } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import { fromSignal, iterate, payload, toSignal } from "../../src/index.ts";
import type { Client } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const jobs = { work: payload<number>() };

const options = { handlers: { work: () => undefined }, label: "leaks" };

/** A stream of the client, opened. */
interface Opened {
  readonly stream$: Observable<unknown>;
  /** Brings a value about, once the stream is subscribed. */
  readonly prompt?: () => Promise<unknown>;
  /** Ends what stood before the stream, when that was left. */
  readonly close?: () => Promise<unknown>;
}

interface Stream {
  readonly name: string;
  readonly open: (client: Client<typeof jobs>) => Opened | Promise<Opened>;
  /** The value after which all of it is up: connections, timers. */
  readonly isUp: (value: unknown) => boolean;
}

/** Numbers without an end, and how many of their readers have not left. */
const endless = {
  readers: 0,
  async *[Symbol.asyncIterator](): AsyncGenerator<number> {
    endless.readers += 1;
    try {
      for (let n = 1; ; n += 1) yield n;
    } finally {
      endless.readers -= 1;
    }
  },
};

const isOf = (type: string) => (value: unknown) => (value as { readonly type: string }).type === type;

/** Live queries listen, ask at once and poll: the first value is there when all of it is. */
const isAny = (): boolean => true;

/** Every stream that a client has. */
const STREAMS: readonly Stream[] = [
  {
    name: "worker",
    open: (client) => ({ stream$: client.worker(options) }),
    isUp: isOf("listen-restored"),
  },
  {
    name: "event$ of a handle",
    open: async (client) => {
      const worker = await client.spawnWorker(options);
      return {
        stream$: worker.event$,
        prompt: async () => client.enqueue("work", 1),
        close: async () => worker.shutdown(),
      };
    },
    isUp: isOf("succeeded"),
  },
  {
    name: "events",
    open: (client) => ({ stream$: client.events() }),
    isUp: isOf("listening"),
  },
  {
    name: "enqueueEach",
    open: (client) => ({ stream$: client.enqueueEach("work")(endless) }),
    isUp: (id) => typeof id === "string",
  },
  {
    name: "watch",
    open: async (client) => {
      const id = await client.enqueue("work", 1);
      return { stream$: client.watch(id), close: async () => client.cancel(id, "the test is over") };
    },
    isUp: isAny,
  },
  { name: "depth", open: (client) => ({ stream$: client.depth() }), isUp: isAny },
  { name: "failed", open: (client) => ({ stream$: client.failed() }), isUp: isAny },
  { name: "active", open: (client) => ({ stream$: client.active() }), isUp: isAny },
  { name: "workers", open: (client) => ({ stream$: client.workers() }), isUp: isAny },
];

/** The ways to leave a stream, once a value says that it is up. */
const WAYS: Readonly<Record<string, (up$: Observable<unknown>) => Promise<unknown>>> = {
  unsubscribing: async (up$) => {
    await new Promise((resolve, reject) => {
      const subscription = up$.subscribe({
        next: () => {
          subscription.unsubscribe();
          resolve(undefined);
        },
        error: reject,
      });
    });
  },
  take: async (up$) => up$.pipe(take(1)).forEach(() => undefined),
  break: async (up$) => {
    for await (const _ of iterate(up$)) break;
  },
  firstValueFrom: async (up$) => firstValueFrom(up$),
  "an AbortSignal": async (up$) => {
    const controller = new AbortController();
    await up$
      .pipe(
        tap(() => controller.abort()),
        takeUntil(fromSignal(controller.signal)),
      )
      .forEach(() => undefined);
  },
  "becoming an AbortSignal": async (up$) => {
    await firstValueFrom(fromSignal(toSignal(up$)));
  },
};

/** What is held at a moment, as lines that are counted. */
type Held = ReadonlyMap<string, number>;

/** A client with a pool of the app's that is warm, and a look at what is held. */
async function setup(): Promise<{
  readonly client: Client<typeof jobs>;
  readonly held: () => Promise<Held>;
}> {
  const pool = new pg.Pool({
    connectionString: database.connectionString,
    application_name: "the app",
    max: 2,
    // No timers but those that are looked for.
    idleTimeoutMillis: 0,
  });
  onTestFinished(() => pool.end());
  const client = openClient({ pool, jobs });
  const watcher = await database.client();
  await Promise.all([pool.query("select 1"), pool.query("select 1")]);

  const held = async (): Promise<Held> => {
    const { rows } = await watcher.query<{ line: string }>(`
      select 'connection of ' || application_name as line from pg_stat_activity
       where datname = current_database() and application_name like 'millrace%'
       union all
      select 'query of the app' from pg_stat_activity
       where datname = current_database() and application_name = 'the app' and state <> 'idle'
       union all
      select 'entry of a subscriber' from millrace.subscribers`);
    const borrowed = pool.totalCount - pool.idleCount + pool.waitingCount;
    return counted([
      ...rows.map(({ line }) => line),
      ...process.getActiveResourcesInfo(),
      ...Array.from({ length: borrowed }, () => "borrowed connection"),
      ...Array.from({ length: endless.readers }, () => "reader of the source"),
    ]);
  };
  return { client, held };
}

function counted(lines: readonly string[]): Held {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

/** What is held more of than before. */
function more(now: Held, before: Held): readonly string[] {
  return [...now].flatMap(([line, count]) =>
    count > (before.get(line) ?? 0) ? [`${count - (before.get(line) ?? 0)} ${line}`] : [],
  );
}

/** What is still held more of than before, when it has had time to go. */
async function left(held: () => Promise<Held>, before: Held): Promise<readonly string[]> {
  const end = performance.now() + 10_000;
  while (true) {
    const found = more(await held(), before);
    if (found.length === 0 || performance.now() > end) return found;
  }
}

describe.each(STREAMS)("$name", ({ open, isUp }) => {
  it.each(Object.entries(WAYS))("leaves nothing behind after %s", async (_way, leave) => {
    const { client, held } = await setup();
    const before = await held();
    const { stream$, prompt, close } = await open(client);
    let whileUp: readonly string[] = [];
    const up$ = stream$.pipe(
      tap({ subscribe: () => void prompt?.() }),
      filter(isUp),
      concatMap(async () => {
        whileUp = more(await held(), before);
      }),
      takeUntil(over()),
    );
    await leave(up$);
    await close?.();
    expect(whileUp).not.toEqual([]);
    expect(await left(held, before)).toEqual([]);
  });

  it("leaves nothing behind when it is left before it is up", async () => {
    const { client, held } = await setup();
    const before = await held();
    const { stream$, close } = await open(client);
    stream$.subscribe().unsubscribe();
    await close?.();
    expect(await left(held, before)).toEqual([]);
  });
});

describe.each(STREAMS)("$name", ({ open }) => {
  it("ends with its client, and leaves nothing behind", async () => {
    const { client, held } = await setup();
    const before = await held();
    const { stream$, prompt } = await open(client);
    const ended = stream$.pipe(takeUntil(over())).forEach(() => undefined);
    const settled = Promise.allSettled([ended]);
    await prompt?.();
    await client.close();
    await settled;
    expect(await left(held, before)).toEqual([]);
  });
});

/** Emits when the test is over, so that one that fails leaves nothing to the next. */
function over(): Observable<unknown> {
  const over$ = new Subject<void>();
  onTestFinished(() => over$.next());
  return over$;
}
