/** Numbers that a seed repeats. */
export interface Random {
  /** From 0 up to 1. */
  readonly next: () => number;
  /** From `min` up to `max`. */
  readonly between: (min: number, max: number) => number;
  /** A whole number from `min` to `max`, both included. */
  readonly integer: (min: number, max: number) => number;
  /**
   * Another generator, whose seed is the next number: for what draws at moments of its own, as a load
   * does, so that the numbers of this one stay in their order.
   */
  readonly fork: () => Random;
}

/** Makes a generator from a seed (mulberry32): the same seed gives the same numbers on every machine. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (min: number, max: number): number => min + next() * (max - min);
  return {
    next,
    between,
    integer: (min, max) => Math.floor(between(min, max + 1)),
    fork: () => randomOf(next() * 2 ** 32),
  };
}
