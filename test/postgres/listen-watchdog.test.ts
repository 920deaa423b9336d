import { EMPTY, ignoreElements, merge, NEVER, Subject, tap, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { beforeEach, describe, expect, it } from "vitest";
import type { SessionEvent } from "../../src/postgres/listen-session.ts";
import { watchdog } from "../../src/postgres/listen-watchdog.ts";
import type { WatchdogOptions, WatchedEvent } from "../../src/postgres/listen-watchdog.ts";

/** What becomes of a nonce: it arrives 3 ms later, it is sent and never arrives, or sending fails or hangs. */
type Fate = "heard" | "missed" | "failed" | "hung" | "thrown";

const session: Record<string, SessionEvent> = {
  o: { type: "opened" },
  x: { type: "received", payload: "x" },
  y: { type: "received", payload: "w:not a nonce" },
  n: { type: "received", payload: "w:00000000-0000-4000-8000-000000000000" },
};
const watched: Record<string, WatchedEvent> = {
  c: { type: "confirmed" },
  x: { type: "notified", payload: "x" },
  y: { type: "notified", payload: "w:not a nonce" },
};

describe("watchdog", () => {
  let scheduler: TestScheduler;
  let loopback$: Subject<SessionEvent>;
  let sentAt: number[];

  beforeEach(() => {
    scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    loopback$ = new Subject();
    sentAt = [];
  });

  /** Options under which the nonces meet these fates, the last one for ever. */
  function options(...fates: Fate[]): WatchdogOptions {
    return {
      channel: "c",
      watchdogIntervalMs: 12,
      watchdogTimeoutMs: 5,
      backoff: { initialMs: 2, factor: 2, maxMs: 100, jitter: 0 },
      random: () => 0.5,
      notify: (_channel, payload) => {
        const fate = fates[Math.min(sentAt.length, fates.length - 1)];
        sentAt.push(scheduler.now());
        if (fate === "thrown") throw new Error("no pool");
        if (fate === "failed") return throwError(() => new Error("no pool"));
        if (fate === "hung") return NEVER;
        if (fate === "missed") return EMPTY;
        return timer(3).pipe(
          tap(() => loopback$.next({ type: "received", payload })),
          ignoreElements(),
        );
      },
    };
  }

  function withLoopback(session$: Observable<SessionEvent>): Observable<SessionEvent> {
    return merge(session$, loopback$);
  }

  it("confirms a session by a first nonce, then checks on, and errors when two in a row are lost", () => {
    scheduler.run(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const session$ = cold("         o-----x-----------------x----------------", session);
      const subscribed = "            ^---------------------------------------!";
      const expected = "              ---c--x-----------------x---------------#";
      const silent = new Error("Notifications stopped arriving on a connection that looks healthy");

      const result$ = withLoopback(session$).pipe(watchdog(options("heard", "heard", "missed")));

      expectObservable(result$).toBe(expected, watched, silent);
      expectSubscriptions(session$.subscriptions).toBe(subscribed);
      flush();
      expect(sentAt).toEqual([0, 15, 30, 35]);
    });
  });

  it("errors on the first nonce lost by a new session, and says what to do about a pooler", () => {
    scheduler.run(({ cold, expectObservable, flush }) => {
      const session$ = cold("--o----------", session);
      const deaf = expect.objectContaining({
        message: expect.stringContaining("pooler in transaction mode"),
      });

      const result$ = withLoopback(session$).pipe(watchdog(options("missed")));

      expectObservable(result$).toBe("-------#", undefined, deaf);
      flush();
      expect(sentAt).toEqual([2]);
    });
  });

  it("forgives one lost nonce when the next arrives", () => {
    scheduler.run(({ cold, expectObservable, flush }) => {
      const session$ = cold("o", session);
      const result$ = withLoopback(session$).pipe(
        watchdog(options("heard", "missed", "heard", "missed", "heard")),
      );

      expectObservable(result$, "^ 60ms !").toBe("---c", watched);
      flush();
      expect(sentAt.slice(0, 5)).toEqual([0, 15, 20, 35, 40]);
    });
  });

  it.for<Fate>(["failed", "thrown"])(
    "tells that it cannot tell while the first nonce is not sent (%s)",
    (fate) => {
      scheduler.run(({ cold, expectObservable, flush }) => {
        const session$ = cold("o", session);
        const error = new Error(
          "Could not send a notification, so nobody knows whether they arrive: no pool",
        );

        const result$ = withLoopback(session$).pipe(watchdog(options(fate, fate, fate, fate, "heard")));

        // The last of four delays is 16 ms, then the nonce takes 3.
        expectObservable(result$, "^ 34ms !").toBe("u-u---u-------u 18ms c", {
          ...watched,
          u: { type: "unconfirmed", error },
        });
        flush();
        expect(sentAt).toEqual([0, 2, 6, 14, 30]);
      });
    },
  );

  it("takes a nonce that is not sent in time for unsent", () => {
    scheduler.run(({ cold, expectObservable }) => {
      const session$ = cold("o", session);
      const error = new Error(
        "Could not send a notification, so nobody knows whether they arrive: Timeout has occurred",
      );
      const result$ = withLoopback(session$).pipe(watchdog(options("hung", "heard")));
      expectObservable(result$, "^ 12ms !").toBe("-----u----c", {
        ...watched,
        u: { type: "unconfirmed", error },
      });
    });
  });

  it("never gives up a confirmed session because nonces cannot be sent", () => {
    scheduler.run(({ cold, expectObservable, flush }) => {
      const session$ = cold("o", session);
      const result$ = withLoopback(session$).pipe(
        watchdog(options("heard", "failed", "failed", "failed", "hung")),
      );
      expectObservable(result$, "^ 200ms !").toBe("---c", watched);
      flush();
      expect(sentAt.slice(0, 5)).toEqual([0, 15, 27, 39, 51]);
    });
  });

  it("counts two lost nonces with an unsent one between them as two in a row", () => {
    scheduler.run(({ cold, expectObservable }) => {
      const session$ = cold("o", session);
      const result$ = withLoopback(session$).pipe(watchdog(options("heard", "missed", "failed", "missed")));
      // 15 sent, 20 missed, unsent at once, 32 sent, 37 missed
      expectObservable(result$).toBe("---c 33ms #", watched, expect.any(Error));
    });
  });

  it("passes on payloads before it is confirmed, and no nonce of any process", () => {
    scheduler.run(({ cold, expectObservable }) => {
      const session$ = cold("oxn-n-y-", session);
      const expected = "      -x-c--y-";
      const result$ = withLoopback(session$).pipe(watchdog(options("heard")));
      expectObservable(result$, "^-------!").toBe(expected, watched);
    });
  });

  it("spreads checks over a fifth around the interval", () => {
    scheduler.run(({ cold, expectObservable, flush }) => {
      const randoms = [0, 0.999_999];
      const session$ = cold("o", session);
      const settings = { ...options("heard"), watchdogIntervalMs: 100, random: () => randoms.shift() ?? 0 };
      expectObservable(withLoopback(session$).pipe(watchdog(settings)), "^ 210ms !").toBe("---c", watched);
      flush();
      expect(sentAt.map(Math.round)).toEqual([0, 83, 206]);
    });
  });

  it.for([
    ["never", "-", "-"],
    ["a session that fails before it opened", "--#", "--#"],
    ["a session that fails while it is confirmed", "-o-#", "---#"],
    ["a session that fails afterwards", "o-----#", "---c--#"],
  ] as const)("passes through %s", ([, marbles, expected]) => {
    scheduler.run(({ cold, expectObservable }) => {
      const session$ = withLoopback(cold(marbles, session));
      expectObservable(session$.pipe(watchdog(options("heard"))), "^---------!").toBe(expected, watched);
    });
  });

  it.for(["|", "--|", "xx|"])("completes with a session that completes unopened (%s)", (marbles) => {
    scheduler.run(({ cold, expectObservable }) => {
      expectObservable(cold(marbles, session).pipe(watchdog(options("heard")))).toBe(marbles, watched);
    });
  });

  it("sends nothing more once unsubscribed", () => {
    scheduler.run(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const session$ = cold("o------", session);
      expectObservable(withLoopback(session$).pipe(watchdog(options("heard"))), "^-----!").toBe(
        "---c---",
        watched,
      );
      expectSubscriptions(session$.subscriptions).toBe("^-----!");
      flush();
      expect(sentAt).toEqual([0]);
    });
  });
});
