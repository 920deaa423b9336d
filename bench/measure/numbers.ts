/** The middle one of some numbers; `what` is as for `quantile`. */
export function median(numbers: readonly number[], what: string): number {
  return quantile(numbers, 0.5, what);
}

/**
 * The number below which a share of the others lies. `what` says what they are of.
 *
 * @throws Error that says it, where there is no number.
 */
export function quantile(numbers: readonly number[], share: number, what: string): number {
  if (numbers.length === 0) throw new Error(`Expected samples of ${what}, got none`);
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** The percentiles 0 to 100, which is what is kept of a distribution; `what` is as for `quantile`. */
export function percentiles(numbers: readonly number[], what: string): number[] {
  const sorted = [...numbers].sort((a, b) => a - b);
  return Array.from({ length: 101 }, (_, percent) => rounded(quantile(sorted, percent / 100, what)));
}

/** To four digits, so that documents stay small. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
