import { of, take, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { describe, expect, it } from "vitest";
import { leaseClock } from "../../../src/stages/lease-clock.ts";
import { pass, setClock, useFakeClock } from "../../support/marbles.ts";

const scheduler = () => new TestScheduler((actual, expected) => expect(actual).toEqual(expected));

describe("leaseClock", () => {
  it("tells that a lease stands from its first answer to its end, counted from when each call was sent", () => {
    scheduler().run(({ cold, flush }) => {
      const clock = leaseClock(8);
      // The second call is answered after 1; the third fails.
      const calls: Record<string, Observable<unknown>> = {
        R: of("1"),
        S: timer(1),
        F: throwError(() => new Error("away")),
      };
      cold("R-----S----F---", calls).subscribe((call) => {
        clock.renewing(() => call).subscribe({ error: () => undefined });
      });
      let stands = "";
      const look$ = timer(0, 1).pipe(take(16));
      look$.subscribe(() => (stands += clock.stands() ? "t" : "f"));
      flush();
      expect(stands).toBe("ttttttttttttttff");
    });
  });

  it("takes `false` for no renewal, and a lease that never began for none", () => {
    scheduler().run(({ cold }) => {
      const clock = leaseClock(8);
      expect(clock.stands()).toBe(false);
      clock.renewing(() => of(false)).subscribe();
      expect(clock.stands()).toBe(false);
      cold("-r", { r: of("1") }).subscribe((call) => clock.renewing(() => call).subscribe());
      timer(2).subscribe(() => expect(clock.stands()).toBe(true));
      timer(9).subscribe(() => expect(clock.stands()).toBe(false));
    });
  });
});

describe("leaseClock, with a clock that is set", () => {
  useFakeClock();

  it.each([3_600_000, -3_600_000])("tells the same after %s ms", async (ms) => {
    const clock = leaseClock(8);
    clock.renewing(() => of("1")).subscribe();
    setClock(ms);
    expect(clock.stands()).toBe(true);
    await pass(8);
    expect(clock.stands()).toBe(false);
  });
});
