/**
 * Counts of durations, in buckets that each reach 10 % further than the one before. It stays small
 * however many are counted, and a quantile read from it is at most 10 % too high.
 */
export type Histogram = readonly number[];

/** A histogram of nothing. */
export const EMPTY_HISTOGRAM: Histogram = [];

/** Upper end of the first bucket, in milliseconds. */
const FINEST_MS = 0.1;
const GROWTH = 1.1;

/** Counts one duration, in milliseconds. Returns a new histogram. */
export function addDuration(histogram: Histogram, durationMs: number): Histogram {
  const bucket = Math.max(0, Math.ceil(Math.log(durationMs / FINEST_MS) / Math.log(GROWTH)));
  const length = Math.max(histogram.length, bucket + 1);
  return Array.from({ length }, (_, at) => (histogram[at] ?? 0) + (at === bucket ? 1 : 0));
}

/** The duration that a share (0 to 1) of all did not exceed, in milliseconds; 0 for an empty one. */
export function quantile(histogram: Histogram, share: number): number {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  let counted = 0;
  for (const [bucket, count] of histogram.entries()) {
    counted += count;
    if (counted > 0 && counted >= share * total) return FINEST_MS * GROWTH ** bucket;
  }
  return 0;
}
