import pg from "pg";

type Query = (...parts: unknown[]) => unknown;

/**
 * From now on, times every statement of this process but the app's own, from the call to its answer
 * or error.
 *
 * @returns The longest so far, in milliseconds; a statement that is under way counts as it stands.
 */
export function timeQueries(app: string): () => number {
  const under = new Set<number>();
  let slowestMs = 0;
  const begin = (): (() => void) => {
    const from = performance.now();
    under.add(from);
    return () => {
      under.delete(from);
      slowestMs = Math.max(slowestMs, performance.now() - from);
    };
  };
  const query = Reflect.get(pg.Client.prototype, "query") as Query;
  Reflect.set(pg.Client.prototype, "query", function timed(this: pg.Client, ...parts: unknown[]): unknown {
    const parameters = Reflect.get(this, "connectionParameters") as { application_name?: string };
    if (parameters.application_name === app) return Reflect.apply(query, this, parts);
    const end = begin();
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
  return () => Math.max(slowestMs, ...[...under].map((from) => performance.now() - from));
}
