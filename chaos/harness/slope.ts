/** A measurement and its moment, in milliseconds. */
export interface Sample {
  readonly at: number;
  readonly value: number;
}

/** A straight line through samples, by least squares. */
export interface Slope {
  /** By how much the value grows in an hour. */
  readonly perHour: number;
  /** Twice the standard error of that: 19 of 20 times the truth is no further away, if noise is noise. */
  readonly error: number;
}

const HOUR_MS = 3_600_000;

/** Lays a line through samples; with less than three, nothing is known. */
export function slopeOf(samples: readonly Sample[]): Slope {
  const count = samples.length;
  if (count < 3) return { perHour: 0, error: Infinity };
  const mean = (of: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / count;
  const [middle, height] = [mean(({ at }) => at), mean(({ value }) => value)];
  const spread = mean(({ at }) => (at - middle) ** 2);
  const slope = mean(({ at, value }) => (at - middle) * (value - height)) / spread;
  const noise = mean(({ at, value }) => (value - height - slope * (at - middle)) ** 2) / (count - 2);
  return { perHour: slope * HOUR_MS, error: 2 * Math.sqrt(noise / spread) * HOUR_MS };
}
