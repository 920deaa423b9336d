/**
 * Sets the clock of a process wrong, as its order says: `node --import wrong-clock.js program.js JSON`.
 *
 * Loaded before anything else, so that nobody has the right `Date`. What `nowMs` tells stays right.
 */

/** A clock that is off, goes too quickly or too slowly, and is set again and again. */
export interface WrongClock {
  /** How far it is ahead at first, in milliseconds. */
  readonly aheadMs: number;
  /** How many of its seconds a second has. */
  readonly speed: number;
  /** When it is set, in milliseconds from the start, and by how much. */
  readonly jumps: readonly { readonly afterMs: number; readonly byMs: number }[];
  /** Whether `performance.now()` is as wrong, as if there were no clock that nobody can set. */
  readonly alone: boolean;
}

function setWrong({ aheadMs, speed, jumps, alone }: WrongClock): void {
  const right = performance.now.bind(performance);
  const startedAt = right();
  const wrong = (): number => {
    const elapsedMs = right() - startedAt;
    const jumped = jumps.reduce((sum, { afterMs, byMs }) => sum + (afterMs <= elapsedMs ? byMs : 0), 0);
    return startedAt + aheadMs + speed * elapsedMs + jumped;
  };
  Date.now = () => Math.floor(performance.timeOrigin + wrong());
  globalThis.Date = new Proxy(Date, {
    construct: (target, given: unknown[], newTarget) =>
      Reflect.construct(target, given.length === 0 ? [target.now()] : given, newTarget) as object,
    apply: (target) => new target(target.now()).toString(),
  });
  if (alone) performance.now = wrong;
}

const { clock } = JSON.parse(process.argv[2] ?? "{}") as { readonly clock?: WrongClock };
if (clock !== undefined) setWrong(clock);
