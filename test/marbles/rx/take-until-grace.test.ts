import { NEVER, of } from "rxjs";
import { describe, expect, it, vi } from "vitest";
import { takeUntilGrace } from "../../../src/rx/take-until-grace.ts";
import { withMarbles } from "../../support/marbles.ts";

/** A digit is a grace in milliseconds, anything else ends at once. */
const graceOf = (value: string): number | undefined => (/\d/.test(value) ? Number(value) : undefined);

describe("takeUntilGrace", () => {
  it("passes the source on until the grace is over", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const overdue = vi.fn();
      const source = cold("    -a---b-----c-");
      const notifier = cold("  ---4---------");
      expectObservable(source.pipe(takeUntilGrace(notifier, { graceOf, overdue }))).toBe("-a---b-|");
      expectSubscriptions(source.subscriptions).toBe("^------!");
      expectSubscriptions(notifier.subscriptions).toBe("^------!");
      flush();
      expect(overdue).toHaveBeenCalledOnce();
    });
  });

  it("ends with the source, whatever was notified", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const overdue = vi.fn();
      for (const marbles of ["-a---|", "-a---#"]) {
        const notifier = cold("--9------");
        expectObservable(cold(marbles).pipe(takeUntilGrace(notifier, { graceOf, overdue }))).toBe(marbles);
        expectSubscriptions(notifier.subscriptions).toBe("^----!");
      }
      flush();
      expect(overdue).not.toHaveBeenCalled();
    });
  });

  it("ends with the first grace that is over", () => {
    withMarbles(({ cold, expectObservable, flush }) => {
      const overdue = vi.fn();
      const notifier = cold("--9-1-1");
      expectObservable(NEVER.pipe(takeUntilGrace(notifier, { graceOf, overdue }))).toBe("-----|");
      flush();
      expect(overdue).toHaveBeenCalledOnce();
    });
  });

  it("ends at once where there is no grace, before the source is subscribed if it comes first", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const overdue = (): void => undefined;
      const source = cold("-a-b-");
      const notifier = cold("--x");
      expectObservable(source.pipe(takeUntilGrace(notifier, { graceOf, overdue }))).toBe("-a|");
      expectSubscriptions(source.subscriptions).toBe("^-!");
      const late = cold("-a-b-");
      expectObservable(late.pipe(takeUntilGrace(of("x"), { graceOf, overdue }))).toBe("|");
      expectSubscriptions(late.subscriptions).toBe([]);
    });
  });
});
