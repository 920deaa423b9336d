import { NEVER, concat, of } from "rxjs";
import type { Observable } from "rxjs";
import type { PoolConfig } from "pg";
import type { ErrorRecord } from "../core/error-record.ts";
import { arrayLiteral } from "./array-literal.ts";
import type { Run } from "./database.ts";
import { listen } from "./listen.ts";
import type { ListenEvent } from "./listen.ts";
import type { Statements } from "./statements.ts";

/** Who listens, and how its watchdog sends. */
export interface EarsSetup {
  readonly config: PoolConfig;
  /** What `pg_stat_activity` shows of the connection that listens. */
  readonly name: string;
  readonly channel: string;
  /** Sends through another connection. */
  readonly run: Run;
  readonly sql: Statements;
  /** Emits when the connection that listens may lead to the wrong server. */
  readonly renew$: Observable<unknown>;
  /** Whether a pooler in transaction mode stands between, through which nothing is heard. */
  readonly isDeaf: boolean;
}

/** Listens on a channel: see `listen`. Where nothing can be heard, tells so once and never completes. */
export function ears({
  config,
  name,
  channel,
  run,
  sql,
  renew$,
  isDeaf,
}: EarsSetup): Observable<ListenEvent> {
  if (isDeaf) return deaf$;
  return listen({
    connection: { ...config, application_name: name },
    channel,
    renew$,
    notify: (to, payload) => run(sql.notify, [to, arrayLiteral([payload])]),
  });
}

/** Why nothing is heard through a pooler. */
const THROUGH_POOLER: ErrorRecord = Object.freeze({
  name: "OptionError",
  message: "LISTEN does not work through a pooler in transaction mode (`throughPooler`)",
});

const deaf$: Observable<ListenEvent> = concat(
  of<ListenEvent>({ type: "listen-lost", error: THROUGH_POOLER }),
  NEVER,
);
