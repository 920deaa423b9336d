import { MAX_DELAY_MS, OptionError, describe, expected, expectedType } from "./errors.ts";

/** A rule for one option: what it must be in words, and whether a value keeps it. */
export interface Rule {
  readonly is: string;
  readonly holds: (value: unknown) => boolean;
  /** Messages tell the type of a value that breaks it, and not the value. */
  readonly hides?: true;
  /** Of an array: whether a member may be in it. Messages tell the first that may not. */
  readonly each?: (member: unknown) => boolean;
}

/** An integer from `min` to `max`. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Rule {
  return {
    is: max === Number.MAX_SAFE_INTEGER ? `an integer from ${min} up` : `an integer from ${min} to ${max}`,
    holds: (value) => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max,
  };
}

/** A duration in milliseconds, from `min` to ten years. */
export function milliseconds(min: number): Rule {
  return {
    is: `a number of milliseconds from ${min} to ${MAX_DELAY_MS}`,
    holds: (value) => typeof value === "number" && value >= min && value <= MAX_DELAY_MS,
  };
}

/** A rule for what must not be shown: see `Rule.hides`. */
export function hiding(own: Rule): Rule {
  return { ...own, hides: true };
}

/** A rule in its own words. */
export function rule(is: string, holds: (value: unknown) => boolean): Rule {
  return { is, holds };
}

/** A rule for an array of at least one member, each of which is `of` this sort. */
export function listOf(of: string, each: (member: unknown) => boolean): Rule {
  return {
    is: `an array of ${of}, at least one`,
    holds: (value) => Array.isArray(value) && value.length > 0 && value.every(each),
    each,
  };
}

/**
 * Checks an object of options: each member that is there must keep its rule, and there must be no
 * other member. Members that are `undefined` count as not there.
 *
 * @param what Names the object in messages, such as `spawnWorker options`.
 * @throws OptionError
 */
export function checkOptions(what: string, options: unknown, rules: Readonly<Record<string, Rule>>): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    // It may be what should stand elsewhere: a payload, or a connection string.
    throw new OptionError(expectedType(what, "an object", options));
  }
  for (const [name, value] of Object.entries(options)) {
    const own = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (own === undefined) {
      throw new OptionError(
        `Unknown option ${describe(name)} in the ${what}; known are ${Object.keys(rules).join(", ")}`,
      );
    }
    if (value === undefined || own.holds(value)) continue;
    const message = (own.hides === true ? expectedType : expected)(name, own.is, value);
    throw new OptionError(`${message}${culprit(own, value)}`);
  }
}

/** The first member that breaks the rule of an array, in words. */
function culprit({ each }: Rule, value: unknown): string {
  if (each === undefined || !Array.isArray(value) || value.every(each)) return "";
  return ` with ${describe(value.find((member) => !each(member)))} in it`;
}

const REASON = rule(
  "a text of 1 to 1000 characters without NUL or lone surrogates",
  (value) =>
    typeof value === "string" &&
    value.length > 0 &&
    value.length <= 1_000 &&
    !value.includes("\u0000") &&
    value.isWellFormed(),
);

/**
 * Checks the reason of a cancellation.
 *
 * @throws OptionError
 */
export function checkReason(reason: unknown): asserts reason is string {
  if (!REASON.holds(reason)) throw new OptionError(expected("reason", REASON.is, reason));
}
