import { Subject } from "rxjs";
import type { Observable } from "rxjs";
import type { PoolConfig } from "pg";
import { openPool } from "./postgres/database.ts";
import { discardIdle } from "./postgres/read-only.ts";
import type { Database } from "./postgres/database.ts";
import type { ResolvedSettings } from "./settings.ts";

/** How many connections claims, outcomes and recoveries share. */
const WORK_CONNECTIONS = 3;

/** Bounds of the timeout of a heartbeat, which is a third of the lease, in milliseconds. */
const BEAT_TIMEOUT_MS = { min: 1_000, max: 10_000 };

/** The connections of a worker. */
export interface Databases {
  readonly work: Database;
  /** A connection of its own for the heartbeat, which nothing else can keep busy. */
  readonly leases: Database;
  /** Emits when a server refused a write because it takes reads only. Both pools have left it then. */
  readonly readOnly$: Observable<void>;
  /** Closes both, once. */
  readonly close: () => Promise<unknown>;
}

/** Makes the pools of a worker; none connects before its first statement. */
export function openDatabases(
  { config, throughPooler }: { readonly config: PoolConfig; readonly throughPooler: boolean },
  { label, leaseDurationMs }: ResolvedSettings,
): Databases {
  const beatTimeoutMs = Math.min(BEAT_TIMEOUT_MS.max, Math.max(BEAT_TIMEOUT_MS.min, leaseDurationMs / 3));
  const readOnly$ = new Subject<void>();
  /** The pool that met it has left the server by itself. */
  const leaveAlso = (other: () => Database) => (): void => {
    discardIdle(other().pool);
    readOnly$.next();
  };
  const work = openPool(config, {
    max: WORK_CONNECTIONS,
    applicationName: `millrace work ${label}`,
    plansOnce: true,
    throughPooler,
    onReadOnly: leaveAlso(() => leases),
  });
  const leases = openPool(config, {
    max: 1,
    applicationName: `millrace lease ${label}`,
    plansOnce: true,
    queryTimeoutMs: Math.round(beatTimeoutMs),
    throughPooler,
    onReadOnly: leaveAlso(() => work),
  });
  let closing: Promise<unknown> | undefined;
  return { work, leases, readOnly$, close: () => (closing ??= Promise.all([work.close(), leases.close()])) };
}
