import pg from "pg";

type Connect = (...parts: unknown[]) => unknown;

/**
 * From now on, times how long each pool of this process but the app's own takes to give a connection, or an
 * error. The answer tells the longest so far, in milliseconds; one that is waited for counts as it stands.
 */
export function timeConnects(app: string): () => number {
  const waiting = new Set<number>();
  let slowest = 0;
  const begin = (): (() => void) => {
    const from = performance.now();
    // Two may begin at the same moment, and are as slow so far.
    waiting.add(from);
    return () => {
      waiting.delete(from);
      slowest = Math.max(slowest, performance.now() - from);
    };
  };
  const connect = Reflect.get(pg.Pool.prototype, "connect") as Connect;
  Reflect.set(pg.Pool.prototype, "connect", function timed(this: pg.Pool, ...parts: unknown[]): unknown {
    if (this.options.application_name === app) return Reflect.apply(connect, this, parts);
    const end = begin();
    const [callback] = parts;
    if (typeof callback === "function") {
      const timed = (...answer: unknown[]): void => {
        end();
        Reflect.apply(callback, undefined, answer);
      };
      return Reflect.apply(connect, this, [timed]);
    }
    const answer = Reflect.apply(connect, this, parts) as Promise<unknown>;
    answer.then(end, end).catch(() => undefined);
    return answer;
  });
  return () => Math.max(slowest, ...[...waiting].map((from) => performance.now() - from));
}
