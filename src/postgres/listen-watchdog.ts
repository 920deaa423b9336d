import { randomUUID } from "node:crypto";
import {
  catchError,
  concatMap,
  concatWith,
  connect,
  defer,
  EMPTY,
  expand,
  filter,
  ignoreElements,
  map,
  merge,
  of,
  switchMap,
  take,
  throwError,
  timeout,
  timer,
} from "rxjs";
import type { Observable, ObservableInput, OperatorFunction } from "rxjs";
import { backoffDelay } from "../core/backoff.ts";
import type { BackoffPolicy } from "../core/backoff.ts";
import { reasonOf } from "./listen-session.ts";
import type { SessionEvent } from "./listen-session.ts";

/** What is known of a session that is being watched. */
export type WatchedEvent =
  | { readonly type: "notified"; readonly payload: string }
  /** The first nonce came back: notifications arrive. */
  | { readonly type: "confirmed" }
  /** No nonce could be sent so far, so nobody knows whether notifications arrive. */
  | { readonly type: "unconfirmed"; readonly error: Error };

/** What the watchdog needs to know. */
export interface WatchdogOptions {
  /** The channel that the session listens on. */
  readonly channel: string;
  /** Sends a notification through another connection and completes when it was sent. */
  readonly notify: (channel: string, payload: string) => ObservableInput<unknown>;
  /** Milliseconds between two checks, give or take a fifth. */
  readonly watchdogIntervalMs: number;
  /** Milliseconds for sending a nonce, and again for its arrival. */
  readonly watchdogTimeoutMs: number;
  /** How long to wait before sending the first nonce again, when that failed. */
  readonly backoff: BackoffPolicy;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/**
 * Passes on what a session receives, and finds out whether it receives anything at all: sends a
 * nonce to the session's own channel through another connection, at once and then every
 * `watchdogIntervalMs`, and expects it within `watchdogTimeoutMs`.
 *
 * ```text
 * sent       n--------------n--------------n----n-----
 * session    o--n--x-----------n-----x----------------     o opened, n nonce, x received
 * result     ---c--x-----------------x---------------#     c confirmed, x notified, # deaf
 * ```
 *
 * One nonce lost on a new session, or two in a row on a confirmed one (the second is sent at once),
 * is an error. That finds half-open connections, which look healthy until the system's keepalive
 * gives up, and poolers in transaction mode, where LISTEN succeeds and nothing arrives. A nonce that
 * could not be sent says nothing about the session. Nonces, also those of other processes, are not
 * passed on.
 */
export function watchdog(options: WatchdogOptions): OperatorFunction<SessionEvent, WatchedEvent> {
  return connect((event$) => {
    const payload$ = event$.pipe(
      concatMap((event) => (event.type === "received" ? of(event.payload) : EMPTY)),
    );
    return merge(
      payload$.pipe(
        filter((payload) => !NONCE.test(payload)),
        map((payload): WatchedEvent => ({ type: "notified", payload })),
      ),
      event$.pipe(
        filter((event) => event.type === "opened"),
        switchMap(() => checks(options, payload$)),
      ),
    );
  });
}

/** A nonce on the channel: its mark, then a UUID. Anything else is a payload. */
const NONCE = /^w:[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** How a check ended: the nonce came back, it did not, or it could not be sent. */
type Verdict =
  | { readonly type: "heard" }
  | { readonly type: "missed" }
  | { readonly type: "unsent"; readonly error: Error };

/** What the checks so far come to. */
interface Watch {
  readonly confirmed: boolean;
  /** Nonces lost since the last that was heard. */
  readonly misses: number;
  /** Nonces that could not be sent since the last that was heard. */
  readonly unsent: number;
  /** Milliseconds before the next check. */
  readonly delayMs: number;
  readonly event?: WatchedEvent;
}

const UNWATCHED: Watch = { confirmed: false, misses: 0, unsent: 0, delayMs: 0 };

function checks(options: WatchdogOptions, payload$: Observable<string>): Observable<WatchedEvent> {
  const next = (watch: Watch): Observable<Watch> =>
    timer(watch.delayMs).pipe(
      switchMap(() => check(options, payload$)),
      map((verdict) => judge(options, watch, verdict)),
    );
  return next(UNWATCHED).pipe(
    expand(next),
    concatMap(({ confirmed, misses, event }) => {
      if (misses >= (confirmed ? 2 : 1)) return throwError(() => new Error(confirmed ? SILENT : DEAF));
      return event === undefined ? EMPTY : of(event);
    }),
  );
}

const SILENT = "Notifications stopped arriving on a connection that looks healthy";
const UNSENT = "Could not send a notification, so nobody knows whether they arrive";
const DEAF =
  "LISTEN succeeded but no notification arrives. If a pooler in transaction mode stands in between, " +
  "connect past it, or set `listen: false` to poll only";

/** Sends one nonce and tells what became of it. Emits once, never errors. */
function check(
  { channel, notify, watchdogTimeoutMs }: WatchdogOptions,
  payload$: Observable<string>,
): Observable<Verdict> {
  return defer(() => {
    const nonce = `w:${randomUUID()}`;
    const heard$ = payload$.pipe(
      filter((payload) => payload === nonce),
      map((): Verdict => ({ type: "heard" })),
    );
    const missed$ = defer(() => notify(channel, nonce)).pipe(
      ignoreElements(),
      timeout({ first: watchdogTimeoutMs }),
      concatWith(timer(watchdogTimeoutMs)),
      map((): Verdict => ({ type: "missed" })),
      catchError((cause: unknown) =>
        of<Verdict>({ type: "unsent", error: new Error(`${UNSENT}: ${reasonOf(cause)}`, { cause }) }),
      ),
    );
    return merge(heard$, missed$).pipe(take(1));
  });
}

function judge(
  { watchdogIntervalMs, backoff, random }: WatchdogOptions,
  watch: Watch,
  verdict: Verdict,
): Watch {
  const { confirmed, misses, unsent } = watch;
  const delayMs = watchdogIntervalMs * (0.8 + 0.4 * random());
  switch (verdict.type) {
    case "heard":
      return {
        ...UNWATCHED,
        confirmed: true,
        delayMs,
        ...(confirmed ? {} : { event: { type: "confirmed" } }),
      };
    case "missed":
      return { confirmed, misses: misses + 1, unsent, delayMs: 0 };
    case "unsent":
      if (confirmed) return { confirmed, misses, unsent, delayMs };
      return {
        confirmed,
        misses,
        unsent: unsent + 1,
        delayMs: backoffDelay(backoff, unsent + 1, random()),
        event: { type: "unconfirmed", error: verdict.error },
      };
  }
}
