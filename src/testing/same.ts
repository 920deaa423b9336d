import { isDeepStrictEqual } from "node:util";

/**
 * Whether a value is what was expected: equal member by member. A member that is `undefined` counts
 * as not there, as with `toEqual` of vitest and jest, and what they make with `expect.any(…)` and
 * its like may stand in for any value.
 */
export function same(actual: unknown, expected: unknown): boolean {
  return compare(actual, expected, new Map());
}

/** What vitest and jest call an asymmetric matcher. */
interface Matcher {
  readonly asymmetricMatch: (value: unknown) => boolean;
}

/** Pairs under way are taken for the same, so that cycles come to an end. */
type Pairs = Map<unknown, unknown>;

function compare(actual: unknown, expected: unknown, pairs: Pairs): boolean {
  if (isMatcher(expected)) return expected.asymmetricMatch(actual);
  if (Object.is(actual, expected)) return true;
  if (!isObject(actual) || !isObject(expected)) return false;
  if (Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) return false;
  if (pairs.get(actual) === expected) return true;
  pairs.set(actual, expected);
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return (
      actual.length === expected.length &&
      actual.every((value: unknown, index) => compare(value, expected[index], pairs))
    );
  }
  return isPlain(actual) ? compareMembers(actual, expected, pairs) : isDeepStrictEqual(actual, expected);
}

function compareMembers(actual: object, expected: object, pairs: Pairs): boolean {
  const keys = new Set([...Reflect.ownKeys(actual), ...Reflect.ownKeys(expected)]);
  return [...keys].every((key) => compare(Reflect.get(actual, key), Reflect.get(expected, key), pairs));
}

function isMatcher(value: unknown): value is Matcher {
  return isObject(value) && "asymmetricMatch" in value && typeof value.asymmetricMatch === "function";
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
