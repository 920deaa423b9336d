import { NEVER, mergeMap } from "rxjs";
import type { Observable, Subject } from "rxjs";
import type { PoolConfig } from "pg";
import { wakeUp } from "./core/arrival.ts";
import type { Arrival, CancelOrders, DueHint, WakeUp } from "./core/arrival.ts";
import type { WorkerEvent } from "./core/events.ts";
import { isLookHint } from "./events/postgres-events.ts";
import { readCancelNotice } from "./postgres/cancel-notice.ts";
import { channelOf, readHint } from "./postgres/channel.ts";
import type { Database } from "./postgres/database.ts";
import { ears } from "./postgres/ears.ts";
import { statements } from "./postgres/statements.ts";
import type { ResolvedSettings } from "./settings.ts";

/** What a worker hears from outside. */
export type Notice = Arrival | DueHint | CancelOrders;

/** What listening runs on. */
interface NoticesSetup {
  readonly config: PoolConfig;
  readonly schema: string;
  /** Whoever names itself this in a notification has told the worker before. */
  readonly sender: string;
  readonly settings: ResolvedSettings;
  /** Sends the nonces of the watchdog, and waits at its end for the connection that listens. */
  readonly work: Database;
  /** Emits when the connection that listens may lead to the wrong server. */
  readonly renew$: Observable<unknown>;
  /** Told when who listens to events may have changed. */
  readonly look$: Subject<void>;
  /** A pooler stands between, and nobody asked to try all the same. */
  readonly isDeaf: boolean;
}

/** LISTEN as arrivals: hints of work and of due jobs, and whether it is heard. */
export function noticesOf({
  config,
  schema,
  sender,
  settings,
  work,
  renew$,
  look$,
  isDeaf,
}: NoticesSetup): Observable<Notice> {
  if (!settings.listen) return NEVER;
  const [name, channel, sql] = [`millrace listen ${settings.label}`, channelOf(schema), statements(schema)];
  return ears({
    config: { ...config, stream: work.stream },
    name,
    channel,
    run: work.run,
    sql,
    renew$,
    isDeaf,
  }).pipe(
    mergeMap((event): Notice[] => {
      switch (event.type) {
        case "notified":
          if (!isLookHint(event.payload)) return noticesIn(event.payload, sender);
          look$.next();
          return [];
        case "listen-restored":
          look$.next();
          // What was sent while nobody listened is lost: look.
          return [event, wakeUp()];
        case "listen-lost":
          return [event];
      }
    }),
  );
}

/** Tells what is for the worker alone. */
export function isHint(notice: Notice): notice is WakeUp | DueHint | CancelOrders {
  return notice.type === "wake-up" || notice.type === "due-hint" || notice.type === "cancel-orders";
}

/** Tells what is to be reported. */
export function isNews(notice: Notice): notice is WorkerEvent {
  return !isHint(notice);
}

function noticesIn(payload: string, sender: string): Notice[] {
  const orders = readCancelNotice(payload);
  if (orders !== undefined) return [{ type: "cancel-orders", orders }];
  const hint = readHint(payload);
  if (hint === undefined) return [wakeUp()];
  if (hint.sender === sender) return [];
  return [hint.dueInMs === undefined ? wakeUp([hint.queue]) : { type: "due-hint", dueInMs: hint.dueInMs }];
}
