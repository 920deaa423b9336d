import { OptionError, describe } from "../core/errors.ts";

/** One marble and the moment at which it stands. */
export interface Marble {
  /** Milliseconds from the start. */
  readonly ms: number;
  /** A letter, `|` or `#`. */
  readonly mark: string;
}

/** Marbles as they were read. */
export interface ReadMarbles {
  readonly marbles: readonly Marble[];
  /** The moment at which the text ends, in milliseconds. */
  readonly endMs: number;
}

/** A moment: milliseconds from now, or marbles such as `"25s"` or `"--!"`. */
export type Moment = number | string;

const DURATION = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m)(?![0-9a-zA-Z])/u;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/**
 * Reads marbles as RxJS does, with one difference: a duration counts from the marble or the group
 * before it, so that `10s` is ten seconds.
 *
 * ```text
 * "(ar) 10s (as) 5s (D|)"     a and r at 0, a and s at 10,000, D and the end at 15,000
 * "--a-b"                     a at 2, b at 4
 * ```
 *
 * Spaces mean nothing, and need not stand around a duration at the end.
 *
 * @throws OptionError naming the place in the text.
 */
export function readMarbles(text: string): ReadMarbles {
  if (typeof text !== "string") throw new OptionError(`Expected marbles to be a text, got ${describe(text)}`);
  const marbles: Marble[] = [];
  const broken = (what: string): OptionError =>
    new OptionError(`The marbles ${JSON.stringify(text)} ${what}`);
  /** Where the marble or the group before stands; a duration counts from there. */
  let before: number | undefined;
  let group: number | undefined;
  let ms = 0;

  for (let rest = text; rest !== "";) {
    const duration = DURATION.exec(rest);
    const char = firstCharacter(rest);
    rest = rest.slice(duration?.[0].length ?? char.length);
    if (char.trim() === "") continue;
    if (group !== undefined && (duration !== null || char === "-" || char === "(")) {
      throw broken("let time pass inside a group; what is in ( ) happens together");
    }
    if (duration !== null) {
      ms = (before ?? ms) + Number(duration[1]) * (UNIT_MS[duration[2] ?? ""] ?? 0);
      before = undefined;
      continue;
    }
    switch (char) {
      case "-":
        before = undefined;
        break;
      case "(":
        group = ms;
        break;
      case ")":
        if (group === undefined) throw broken("close a group that was not opened");
        before = group;
        group = undefined;
        break;
      default:
        if (/[0-9]/u.test(char)) {
          throw broken(`have a digit that is no duration; write ms, s or m behind it, and a space`);
        }
        if (marbles.some(({ mark }) => mark === "|" || mark === "#")) {
          throw broken(`go on with ${char} after the stream has ended`);
        }
        marbles.push({ ms: group ?? ms, mark: char });
        if (group === undefined) before = ms;
    }
    ms += 1;
  }
  if (group !== undefined) throw broken("open a group that is not closed");
  return { marbles, endMs: before ?? ms };
}

/**
 * Milliseconds of a moment: a number as it is, marbles by their marble or, without one, by their
 * length.
 *
 * @throws OptionError for what is no moment.
 */
export function toMilliseconds(moment: Moment): number {
  const ms = typeof moment === "string" ? momentOf(moment) : moment;
  if (typeof ms === "number" && Number.isFinite(ms) && ms >= 0) return ms;
  throw new OptionError(
    `Expected a moment to be milliseconds from 0 up or marbles such as "25s", got ${describe(moment)}`,
  );
}

/** `undefined` for a text with several marbles, such as a word. */
function momentOf(text: string): number | undefined {
  const { marbles, endMs } = readMarbles(text);
  return marbles.length > 1 ? undefined : (marbles[0]?.ms ?? endMs);
}

/** Whether a text is one character: one code point, as marbles are read. */
export function isOneCharacter(text: string): boolean {
  return text !== "" && text === firstCharacter(text);
}

function firstCharacter(text: string): string {
  return String.fromCodePoint(text.codePointAt(0) ?? 0);
}

/** Writes marbles so that `readMarbles` reads the same: `(ar) 10s (as)`. */
export function writeMarbles(marbles: readonly Marble[]): string {
  const parts: string[] = [];
  let from = 0;
  for (const [ms, marks] of together(marbles)) {
    if (ms > from) parts.push(writeDuration(ms - from));
    parts.push(marks.length > 1 ? `(${marks.join("")})` : marks.join(""));
    from = ms;
  }
  return parts.join(" ");
}

/** Writes a duration in the largest unit in which it is a whole number. */
export function writeDuration(ms: number): string {
  if (ms !== 0 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  if (ms !== 0 && ms % 1_000 === 0) return `${ms / 1_000}s`;
  return `${ms}ms`;
}

function together(marbles: readonly Marble[]): ReadonlyMap<number, readonly string[]> {
  const moments = new Map<number, string[]>();
  for (const { ms, mark } of marbles) moments.set(ms, [...(moments.get(ms) ?? []), mark]);
  return moments;
}
