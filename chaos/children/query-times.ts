import pg from "pg";

type Query = (...parts: unknown[]) => unknown;

/** Tells how long a statement took at most, of connections whose names begin so: in milliseconds. */
export type Slowest = (names: string) => number;

/**
 * From now on, times every statement of this process but the app's own, from the call to its answer
 * or error. One that is under way counts as it stands.
 */
export function timeQueries(app: string): Slowest {
  const under = new Set<{ readonly name: string; readonly from: number }>();
  const slowest = new Map<string, number>();
  const begin = (name: string): (() => void) => {
    const one = { name, from: performance.now() };
    under.add(one);
    return () => {
      under.delete(one);
      slowest.set(name, Math.max(slowest.get(name) ?? 0, performance.now() - one.from));
    };
  };
  const query = Reflect.get(pg.Client.prototype, "query") as Query;
  Reflect.set(pg.Client.prototype, "query", function timed(this: pg.Client, ...parts: unknown[]): unknown {
    const parameters = Reflect.get(this, "connectionParameters") as { application_name?: string };
    const { application_name: name = "" } = parameters;
    if (name === app) return Reflect.apply(query, this, parts);
    const end = begin(name);
    const last = parts.length - 1;
    const callback = parts[last];
    if (typeof callback === "function") {
      parts[last] = (...answer: unknown[]) => {
        end();
        Reflect.apply(callback, undefined, answer);
      };
      return Reflect.apply(query, this, parts);
    }
    const answer = Reflect.apply(query, this, parts);
    if (answer instanceof Promise) answer.then(end, end).catch(() => undefined);
    else end();
    return answer;
  });
  return (names) => {
    const ended = [...slowest].map(([name, ms]) => ({ name, ms }));
    const open = [...under].map(({ name, from }) => ({ name, ms: performance.now() - from }));
    return Math.max(0, ...[...ended, ...open].map(({ name, ms }) => (name.startsWith(names) ? ms : 0)));
  };
}
