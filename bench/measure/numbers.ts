/** The middle one of some numbers. */
export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

/** The number below which a share of the others lies. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** The percentiles 0 to 100, which is what is kept of a distribution. */
export function percentiles(numbers: readonly number[]): number[] {
  const sorted = [...numbers].sort((a, b) => a - b);
  return Array.from({ length: 101 }, (_, percent) => rounded(quantile(sorted, percent / 100)));
}

/** To four digits, so that documents stay small. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
