import type { ClientConfig } from "pg";
import { catchError, concatMap, defer, EMPTY, map, merge, NEVER, of, repeat, timer } from "rxjs";
import type { Observable, ObservableInput, OperatorFunction } from "rxjs";
import { backoffDelay } from "../core/backoff.ts";
import type { BackoffPolicy } from "../core/backoff.ts";
import { toErrorRecord } from "../core/error-record.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import { expected, OptionError } from "../core/errors.ts";
import { openSession } from "./listen-session.ts";
import { watchdog } from "./listen-watchdog.ts";
import type { WatchedEvent } from "./listen-watchdog.ts";

/** What happens on a channel. Lost and restored take turns. */
export type ListenEvent =
  /** A notification arrived. Anyone in the database may send one, so `payload` proves nothing. */
  | { readonly type: "notified"; readonly payload: string }
  /**
   * Notifications arrive, as a round trip has shown, for the first time or again. Those sent before
   * are lost, so look for work now.
   */
  | { readonly type: "listen-restored" }
  /** Notifications may not arrive until `listen-restored`. Told once, however many retries fail. */
  | { readonly type: "listen-lost"; readonly error: ErrorRecord };

/** What `listen` needs to know. */
export interface ListenOptions {
  /**
   * How to connect, as the settings object of `pg` (not a connection string). Bounds that it leaves
   * open are set: `connectionTimeoutMillis` 5,000, `keepAliveInitialDelayMillis` 10,000.
   */
  readonly connection: ClientConfig;
  /**
   * The channel, unquoted: 1 to 63 bytes of any text, upper and lower case being different. Some
   * reserved words of SQL, alone and in lower case (`window`), are left unquoted by `pg-listen`:
   * LISTEN then fails, as `listen-lost` tells.
   */
  readonly channel: string;
  /**
   * Sends `payload` to `channel` (`select pg_notify($1, $2)`) through **another** connection, and
   * completes when that was sent. It may fail; only what was sent is expected to arrive.
   */
  readonly notify: (channel: string, payload: string) => ObservableInput<unknown>;
  /**
   * Ends the connection and opens another, for this one may lead to the old primary after a failover,
   * where nobody notifies any more. Default: never emits.
   */
  readonly renew$?: Observable<unknown>;
  /**
   * Milliseconds between two checks by the watchdog, ±20 %. From 1 to 86,400,000. Default 8,000: with
   * two nonces lost, a half-open connection is given up after 18 s at most.
   */
  readonly watchdogIntervalMs?: number;
  /** Milliseconds that a nonce may take to arrive. From 1 to 86,400,000. Default 4,000. */
  readonly watchdogTimeoutMs?: number;
  /**
   * How long to wait before connecting again. Default 100 ms doubling to 1 s, up to half of it
   * random, so that a listener is back within 2 s of its server, however long that was away.
   */
  readonly backoff?: BackoffPolicy;
  /** From 0 up to 1, for jitter. Default `Math.random`. */
  readonly random?: () => number;
}

/** What options are when they are not given. */
export const LISTEN_DEFAULTS: Readonly<Required<Omit<ListenOptions, "connection" | "channel" | "notify">>> =
  Object.freeze({
    watchdogIntervalMs: 8_000,
    watchdogTimeoutMs: 4_000,
    backoff: Object.freeze({ initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0.5 }),
    random: Math.random,
    renew$: NEVER,
  });

/**
 * Listens on a channel of Postgres for as long as it is subscribed to, over a connection of its own
 * that it opens again for ever. Subscribing connects; unsubscribing leaves no connection and no
 * timer. It never completes and never errors.
 *
 * ```text
 * sent        --x-----y----------z-----w-----
 * connection  -----==========       ==========     = up
 * listen      ------r--y----l--------r--w-----     r listen-restored, l listen-lost
 * ```
 *
 * A notification is a hint: those sent while no connection is up (`x`, `z`) are lost, hence
 * `listen-restored` after every connect. What can go wrong with one connection is told at
 * `openSession` and `watchdog`, what follows from it at `reopen`.
 *
 * @throws OptionError when an option breaks its rule.
 */
export function listen(options: ListenOptions): Observable<ListenEvent> {
  const settings = { ...LISTEN_DEFAULTS, ...options };
  checkOptions(settings);
  const renewed$ = settings.renew$.pipe(
    map((): never => {
      throw new Error("The server takes reads only, so nobody notifies there");
    }),
  );
  return merge(openSession(settings).pipe(watchdog(settings)), renewed$).pipe(reopen(settings));
}

/**
 * Subscribes to the session again whenever it fails, after a growing delay, and tells in turns when
 * notifications may not arrive and when they do.
 *
 * ```text
 * session    --c-x---#   --#       -u-c--x--     c confirmed, u unconfirmed, x notified, # failed
 * delay              ~~~~  ~~~~~~~~
 * result     --r-x---l----------------r--x--     r listen-restored, l listen-lost
 * ```
 *
 * This is all of the recovery there is. A session knows how to fail and nothing about coming back,
 * because queues in which two mechanisms reconnected went deaf for ever when these cancelled each
 * other.
 */
export function reopen({
  backoff,
  random,
}: Pick<Required<ListenOptions>, "backoff" | "random">): OperatorFunction<WatchedEvent, ListenEvent> {
  return (session$) =>
    defer(() => {
      let failures = 0;
      let told: ListenEvent["type"] | undefined;

      const lost = (error: unknown): Observable<ListenEvent> => {
        if (told === "listen-lost") return EMPTY;
        told = "listen-lost";
        return of({ type: "listen-lost", error: toErrorRecord(error) });
      };
      const tell = (event: WatchedEvent): Observable<ListenEvent> => {
        if (event.type === "notified") return of(event);
        if (event.type === "unconfirmed") return lost(event.error);
        failures = 0;
        told = "listen-restored";
        return of({ type: "listen-restored" });
      };

      return session$.pipe(
        concatMap(tell),
        catchError(lost),
        repeat({ delay: () => timer(backoffDelay(backoff, ++failures, random())) }),
      );
    });
}

/** Postgres cuts longer names in LISTEN without a word, and refuses them in `pg_notify`. */
const MAX_CHANNEL_BYTES = 63;

/** One day. Timers of Node overflow above 24. */
const MAX_WATCHDOG_MS = 86_400_000;

function checkOptions({
  connection,
  channel,
  watchdogIntervalMs,
  watchdogTimeoutMs,
}: Required<ListenOptions>): void {
  // A string would be spread into its characters and connect to the environment's default database.
  if (typeof connection !== "object" || connection === null) {
    throw new OptionError(
      `Expected \`connection\` to be a settings object of pg, got a ${typeof connection}`,
    );
  }
  const bytes = typeof channel === "string" ? Buffer.byteLength(channel) : 0;
  if (bytes < 1 || bytes > MAX_CHANNEL_BYTES || channel.includes("\u0000")) {
    throw new OptionError(
      expected("channel", `a text of 1 to ${MAX_CHANNEL_BYTES} bytes without NUL`, channel),
    );
  }
  for (const [name, value] of Object.entries({ watchdogIntervalMs, watchdogTimeoutMs })) {
    if (!(typeof value === "number" && value >= 1 && value <= MAX_WATCHDOG_MS)) {
      throw new OptionError(expected(name, `a number of milliseconds from 1 to ${MAX_WATCHDOG_MS}`, value));
    }
  }
}
