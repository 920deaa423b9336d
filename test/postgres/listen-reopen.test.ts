import fc from "fast-check";
import { defer } from "rxjs";
import type { Observable } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { LISTEN_DEFAULTS, listen, reopen } from "../../src/postgres/listen.ts";
import type { ListenEvent, ListenOptions } from "../../src/postgres/listen.ts";
import type { WatchedEvent } from "../../src/postgres/listen-watchdog.ts";

const watched: Record<string, WatchedEvent> = {
  c: { type: "confirmed" },
  u: { type: "unconfirmed", error: new Error("no pool") },
  x: { type: "notified", payload: "x" },
};
const told = {
  r: { type: "listen-restored" },
  l: { type: "listen-lost", error: expect.objectContaining({ name: "Error", message: "gone" }) },
  u: { type: "listen-lost", error: expect.objectContaining({ name: "Error", message: "no pool" }) },
  x: { type: "notified", payload: "x" },
};
const settings = { backoff: { initialMs: 4, factor: 2, maxMs: 100, jitter: 0 }, random: () => 0 };

describe("reopen", () => {
  let scheduler: TestScheduler;

  beforeEach(() => {
    scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  });

  /** The next one of these with every subscription, the last for ever. */
  function inTurn(...sessions: Observable<WatchedEvent>[]): Observable<WatchedEvent> {
    let turn = 0;
    return defer(() => sessions[Math.min(turn++, sessions.length - 1)] as Observable<WatchedEvent>);
  }

  it("opens a session again after a growing delay and tells of loss and return once each", () => {
    scheduler.run(({ cold, expectObservable, expectSubscriptions }) => {
      const gone = new Error("gone");
      const first$ = cold(" --c-x---#                    ", watched, gone);
      const second$ = cold("            --#              ", watched, gone);
      const third$ = cold("                       -u-c--x--", watched);
      const subscribed = [
        "                   ^-------!                    ",
        "                   ------------^-!              ",
        "                   ----------------------^      ",
      ] as const;
      const expected = "     --r-x---l----------------r--x--";

      expectObservable(inTurn(first$, second$, third$).pipe(reopen(settings))).toBe(expected, told);
      expectSubscriptions(first$.subscriptions).toBe(subscribed[0]);
      expectSubscriptions(second$.subscriptions).toBe(subscribed[1]);
      expectSubscriptions(third$.subscriptions).toBe(subscribed[2]);
    });
  });

  it("starts with the first delay again after a session was confirmed", () => {
    scheduler.run(({ cold, expectObservable }) => {
      const gone = new Error("gone");
      const failing$ = cold("#", watched, gone);
      const good$ = cold("c#", watched, gone);
      const session$ = inTurn(failing$, failing$, failing$, good$, cold("c", watched));
      expectObservable(session$.pipe(reopen(settings))).toBe("l 27ms rl---r", told);
    });
  });

  it("tells once that nobody knows, and keeps the session", () => {
    scheduler.run(({ cold, expectObservable, expectSubscriptions }) => {
      const session$ = cold(" -u--u-x--u-c--", watched);
      const expected = "      -u----x----r--";
      expectObservable(session$.pipe(reopen(settings)), "^-------------!").toBe(expected, told);
      expectSubscriptions(session$.subscriptions).toBe("^-------------!");
    });
  });

  it("tells once of a session that is deaf for a day, with a capped delay", () => {
    scheduler.run(({ cold, expectObservable, flush }) => {
      const deaf$ = cold("5s #", watched, new Error("gone"));
      const { backoff } = LISTEN_DEFAULTS;
      expectObservable(deaf$.pipe(reopen({ backoff, random: () => 0 })), "^ 86400s !").toBe("5s l", told);
      flush();
      const starts = deaf$.subscriptions.map(({ subscribedFrame }) => subscribedFrame);
      expect(starts.slice(0, 4)).toEqual([0, 5_100, 10_300, 15_700]);
      expect((starts.at(-1) ?? 0) - (starts.at(-2) ?? 0)).toBe(6_000);
      expect(starts.length).toBeGreaterThan(13_000);
    });
  });

  it.for(["^!", "^-------!", "^----------!", "^------------!"])(
    "leaves nothing when unsubscribed (%s)",
    (unsubscribed) => {
      scheduler.run(({ cold, expectObservable, flush }) => {
        const session$ = cold("--c-x---#", watched, new Error("gone"));
        expectObservable(session$.pipe(reopen(settings)), unsubscribed).toBe(
          "--r-x---l".slice(0, unsubscribed.length - 1),
          told,
        );
        flush();
        expect(
          session$.subscriptions.every(({ unsubscribedFrame }) => unsubscribedFrame < unsubscribed.length),
        ).toBe(true);
      });
    },
  );

  it.for([
    ["never", "-"],
    ["empty", "|"],
  ])("says nothing of a session that says nothing (%s)", ([, marbles]) => {
    scheduler.run(({ cold, expectObservable }) => {
      expectObservable(cold(marbles as string, watched).pipe(reopen(settings)), "^ 100ms !").toBe("-");
    });
  });

  it("keeps its state per subscription", () => {
    scheduler.run(({ cold, expectObservable }) => {
      const result$ = cold("c--#", watched, new Error("gone")).pipe(reopen(settings));
      expectObservable(result$, "^--------!").toBe("r--l---r-", told);
      expectObservable(result$, "  --^--------!").toBe("--r--l---r-", told);
    });
  });

  it("takes turns between lost and restored, whatever sessions do", () => {
    const event = fc.constantFrom("c", "u", "x", "-");
    fc.assert(
      fc.property(fc.array(fc.array(event, { maxLength: 6 }), { minLength: 1, maxLength: 6 }), (sessions) => {
        const types: ListenEvent["type"][] = [];
        new TestScheduler(() => {}).run(({ cold, flush }) => {
          const session$ = inTurn(
            ...sessions.map((events) => cold(`${confirmOnce(events)}#`, watched)),
            cold("-"),
          );
          session$.pipe(reopen(settings)).subscribe(({ type }) => type === "notified" || types.push(type));
          flush();
        });
        expect(types.filter((type, index) => type === types[index - 1])).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

/** A session is confirmed once, and known from then on. */
function confirmOnce(events: readonly string[]): string {
  const at = events.indexOf("c");
  return events.map((event, index) => (at >= 0 && index > at && event !== "x" ? "-" : event)).join("");
}

describe("listen", () => {
  const options: ListenOptions = { connection: {}, channel: "c", notify: () => [] };

  it.for<[unknown, string]>([
    ["postgres://me:secret@host/db", "Expected `connection` to be a settings object of pg, got a string"],
    [null, "Expected `connection` to be a settings object of pg, got a object"],
  ])("refuses a connection that is no object, without repeating it (%s)", ([connection, text]) => {
    expect(() => listen({ ...options, connection: connection as never })).toThrow(text);
  });

  it.for(["", "c".repeat(64), "ü".repeat(32), "a\u0000b", undefined])(
    "refuses a channel that Postgres would cut or refuse (%j)",
    (channel) => {
      expect(() => listen({ ...options, channel: channel as never })).toThrow(
        "Expected `channel` to be a text of 1 to 63 bytes",
      );
    },
  );

  it.for([0, -1, Number.NaN, Infinity, 86_400_001, "1"])("refuses a watchdog time of %j", (value) => {
    expect(() => listen({ ...options, watchdogIntervalMs: value as never })).toThrow(
      "Expected `watchdogIntervalMs`",
    );
    expect(() => listen({ ...options, watchdogTimeoutMs: value as never })).toThrow(
      "Expected `watchdogTimeoutMs`",
    );
  });

  it("does nothing before it is subscribed to", () => {
    let calls = 0;
    listen({
      ...options,
      connection: { stream: () => void (calls += 1) },
      notify: () => {
        calls += 1;
        return [];
      },
    });
    expect(calls).toBe(0);
  });
});
