import type { Answered } from "./watch-queries.ts";

/** The times of the statements of a process, in milliseconds. */
export interface QueryTimes {
  /** A statement of a connection with this name begins; call the answer when it ends. */
  readonly begin: (application: string) => Answered;
  /** How long a statement took at most, of connections whose names begin so. One that is under way counts as it stands. */
  readonly slowest: (names: string) => number;
}

/** Times statements, from the call to the answer or error. */
export function queryTimes(): QueryTimes {
  const under = new Set<{ readonly name: string; readonly from: number }>();
  const slowest = new Map<string, number>();
  return {
    begin: (name) => {
      const one = { name, from: performance.now() };
      under.add(one);
      return () => {
        under.delete(one);
        slowest.set(name, Math.max(slowest.get(name) ?? 0, performance.now() - one.from));
      };
    },
    slowest: (names) => {
      const ended = [...slowest].map(([name, ms]) => ({ name, ms }));
      const open = [...under].map(({ name, from }) => ({ name, ms: performance.now() - from }));
      return Math.max(0, ...[...ended, ...open].map(({ name, ms }) => (name.startsWith(names) ? ms : 0)));
    },
  };
}
