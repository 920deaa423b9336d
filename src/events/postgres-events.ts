import { randomUUID } from "node:crypto";
import { NEVER, defer, of } from "rxjs";
import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import type { PoolConfig } from "pg";
import { backoffDelay } from "../core/backoff.ts";
import type { BackoffPolicy } from "../core/backoff.ts";
import type { WorkerEvent } from "../core/events.ts";
import { arrayLiteral } from "../postgres/array-literal.ts";
import { channelOf, eventsChannelOf } from "../postgres/channel.ts";
import type { Run } from "../postgres/database.ts";
import { ears } from "../postgres/ears.ts";
import { statements } from "../postgres/statements.ts";
import type { Statements } from "../postgres/statements.ts";
import { isTransient } from "../postgres/transient.ts";
import type { Turns } from "../rx/turns.ts";
import type { PublishMode } from "./cluster-event.ts";
import type { CompletedJob, CompletedPage } from "./completed.ts";
import { readFilter } from "./filter.ts";
import { publish } from "./publish.ts";
import { shareEvents } from "./share-events.ts";
import type { ClusterEvents } from "./share-events.ts";

/** What `clusterEvents` needs. */
export interface ClusterEventsSetup {
  /** How to connect, for the connection that listens. */
  readonly config: PoolConfig;
  readonly schema: string;
  /** Runs statements on another connection. */
  readonly run: Run;
  /** Emits when a server refused a write because it takes reads only, where to listen makes no sense. */
  readonly readOnly$?: Observable<unknown>;
  /** Told what a subscriber throws. */
  readonly report: (thrown: unknown) => void;
  /** When subscribers are told. */
  readonly turns: Turns;
  /** Whether a pooler in transaction mode stands between, through which nothing is heard. Default false. */
  readonly throughPooler?: boolean;
  /** Milliseconds that the entry of this process stands without a renewal. Default 30,000. */
  readonly leaseMs?: number;
  /** Milliseconds between reads of completed jobs, for notifications can be lost. Default 5,000. */
  readonly readIntervalMs?: number;
}

/** What `publishEvents` needs. */
export interface PublisherSetup {
  readonly mode: PublishMode;
  readonly schema: string;
  readonly label: string;
  readonly run: Run;
  /** Emits when the worker was told to look (`isLookHint`), and when it may have missed that. */
  readonly hint$: Observable<unknown>;
  /** Milliseconds between looks, for hints can be lost. Default 5,000. */
  readonly lookIntervalMs?: number;
}

/** How long the entry of a subscribing process stands when that does not renew it, in milliseconds. */
const LEASE_MS = 30_000;

/** The longest wait for a completed job of which nothing is heard, in milliseconds. */
const READ_INTERVAL_MS = 5_000;

/** How many completed jobs one read brings at most. */
const PAGE = 1_000;

const BACKOFF: BackoffPolicy = { initialMs: 50, factor: 2, maxMs: 5_000, jitter: 0.5 };

/** What workers are told, on the channel of wake-ups, when who listens has changed. */
const LOOK_HINT = '{"look":"subscribers"}';

/** Tells whether a notification of the channel of wake-ups says to look who listens. */
export function isLookHint(payload: string): boolean {
  return payload === LOOK_HINT;
}

/** The events of all workers of a schema, over NOTIFY on a channel of its own. Cold. */
export function clusterEvents({
  config,
  schema,
  run,
  readOnly$ = NEVER,
  report,
  turns,
  throughPooler = false,
  leaseMs = LEASE_MS,
  readIntervalMs = READ_INTERVAL_MS,
}: ClusterEventsSetup): ClusterEvents {
  const sql = statements(schema);
  const channel = eventsChannelOf(schema);
  const told = [channelOf(schema), LOOK_HINT];
  return shareEvents({
    listen$: ears({
      config,
      name: "millrace events",
      channel,
      run,
      sql,
      renew$: readOnly$,
      isDeaf: throughPooler,
    }),
    join: (id, filters) => run(sql.enterSubscriber, [id, JSON.stringify(filters), leaseMs, ...told]),
    renew: async (id) => (await run(sql.renewSubscriber, [id, leaseMs])).length > 0,
    leave: (id) => run(sql.removeSubscriber, [id, ...told]),
    newId: randomUUID,
    renewIntervalMs: leaseMs / 3,
    delayMs,
    report,
    turns,
    completed: {
      read: (after) => readCompleted(run, sql, after),
      readIntervalMs,
      isFatal: (error) => !isTransient(error),
    },
  });
}

async function readCompleted(run: Run, sql: Statements, after: number | undefined): Promise<CompletedPage> {
  type Row = Omit<CompletedPage, "jobs"> & { readonly jobs: string };
  const [row] = await run<Row>(sql.readCompleted, [after ?? null, PAGE]);
  if (row === undefined) throw new Error("Expected a row in the answer of Postgres, got none");
  return { ...row, jobs: JSON.parse(row.jobs) as readonly CompletedJob[] };
}

/** Publishes the events that pass, as `mode` says, over NOTIFY. */
export function publishEvents(setup: PublisherSetup): MonoTypeOperatorFunction<WorkerEvent> {
  const { mode, schema, run, hint$, label, lookIntervalMs } = setup;
  if (mode === "never") return (event$) => event$;
  const sql = statements(schema);
  const channel = eventsChannelOf(schema);
  const look = async () => {
    const rows = await run<{ filters: readonly unknown[] }>(sql.subscribers);
    return rows.flatMap(({ filters }) => filters.map(readFilter));
  };
  return (event$) =>
    defer(() =>
      event$.pipe(
        publish({
          stream: randomUUID().slice(0, 8),
          label,
          look: mode === "always" ? () => of([{}]) : look,
          hint$,
          send: (texts) => run(sql.notify, [channel, arrayLiteral(texts)]),
          ...(lookIntervalMs === undefined ? {} : { lookIntervalMs }),
          delayMs,
          random: Math.random,
        }),
      ),
    );
}

function delayMs(n: number): number {
  return backoffDelay(BACKOFF, n, Math.random());
}
