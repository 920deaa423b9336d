import type { NewJob } from "./job.ts";

/**
 * How many characters of payloads, results and the like one statement takes along: a value of it is
 * one text, of which Node has none above 2^29 characters, and quoting may double what is in it.
 */
export const MAX_PART_LENGTH: number = 2 ** 24;

/**
 * Cuts a list into parts that weigh at most `max` each, or are one item, in the order of the list.
 *
 * ```text
 * items    a b c d e      weights 2 2 9 1 1
 * max 4    ab | c | de
 * ```
 *
 * @param weightOf From 0.
 * @returns No part for no items; where all fit together, the list itself is the only part.
 */
export function inParts<T>(
  items: readonly T[],
  weightOf: (item: T) => number,
  max: number = MAX_PART_LENGTH,
): readonly (readonly T[])[] {
  const parts: (readonly T[])[] = [];
  let begin = 0;
  let weight = 0;
  items.forEach((item, index) => {
    const more = weightOf(item);
    if (index > begin && weight + more > max) {
      parts.push(items.slice(begin, index));
      begin = index;
      weight = 0;
    }
    weight += more;
  });
  if (begin === 0) return items.length === 0 ? [] : [items];
  return [...parts, items.slice(begin)];
}

/** How many characters an id takes in the text of an array, at most. */
const ID_LENGTH = 20;

/**
 * How many jobs one statement writes at most. Node makes the next statement while Postgres writes, and
 * what a statement reads stays in the memory that Postgres gives it by default.
 */
const MAX_PART_JOBS = 5_000;

/**
 * Cuts jobs into parts of which each fits into one statement. Those that wait for others or have a key
 * are cut no smaller than they must: a statement takes all its locks in one order, two do not.
 */
export function jobParts(jobs: readonly NewJob[]): readonly (readonly NewJob[])[] {
  const more = jobs.some(isLinked) ? 0 : MAX_PART_LENGTH / MAX_PART_JOBS;
  return inParts(jobs, ({ payload, after }) => payload.length + after.length * ID_LENGTH + more);
}

/** Whether writing a job has to look at other jobs: at its parents, or at the one that has its key. */
export function isLinked({ after, key }: NewJob): boolean {
  return after.length > 0 || key !== undefined;
}
