import fc from "fast-check";
import { ODD_KEYS } from "./odd-keys.ts";

/** Names that have broken somebody's code, in SQL, in arrays of Postgres, in `format` or in objects. */
const ODD_NAMES: readonly string[] = [
  "'; drop table public.victims; --",
  "'); delete from public.victims; --",
  '"; drop schema millrace cascade; --',
  '"',
  '""',
  "'",
  "''",
  "\\",
  "\\'",
  "E'\\x27'",
  "a;b",
  "--",
  "/*",
  "*/",
  "$1",
  "$$",
  "$body$",
  "%s",
  "%I",
  "%%",
  "%1$L",
  "{}",
  "{a,b}",
  "NULL",
  "null",
  ",",
  '{"a"}',
  '\\"',
  "\\N",
  "a.b",
  "public",
  "public.victims",
  "pg_catalog",
  "pg_",
  "PG_temp",
  "information_schema",
  "select",
  "user",
  "MixedCase",
  "Ä",
  ...ODD_KEYS,
  " a ",
  "\t",
  "\n",
  "a\nb",
  "\r",
  "\u0001",
  "\u007f",
  "\u0085",
  "\u00a0",
  "\u2028",
  "\ufeff",
  "\u200d\u202e",
  "e\u0301",
  "\u00e9",
  "\ud83d\udc69\u200d\ud83c\udf3e",
  "\u{10ffff}",
  "\ufffe",
  "a\0b",
  "\0",
  "\ud800",
  "a\udc00",
  "default",
  "millrace:millrace",
  "a".repeat(10_000),
];

/** A text of so many bytes, of letters of one to four bytes each, as far as they fit. */
function ofBytes(letter: string, bytes: number): string {
  const times = Math.floor(bytes / Buffer.byteLength(letter));
  return letter.repeat(times) + "x".repeat(bytes - times * Buffer.byteLength(letter));
}

/** A text of so many UTF-16 units, of letters of one or two each, as far as they fit. */
function ofUnits(letter: string, units: number): string {
  const times = Math.floor(units / letter.length);
  return letter.repeat(times) + "x".repeat(units - times * letter.length);
}

const letters = fc.constantFrom("a", "'", '"', "é", "€", "\u{1f33e}");

/** Names about the limits of Postgres (63 bytes) and of the library (200 units). */
const long: fc.Arbitrary<string> = fc.oneof(
  fc.tuple(letters, fc.integer({ min: 61, max: 66 })).map(([letter, bytes]) => ofBytes(letter, bytes)),
  fc.tuple(letters, fc.integer({ min: 198, max: 202 })).map(([letter, units]) => ofUnits(letter, units)),
);

/** Letters that mean something to somebody, in any order. */
const metas: fc.Arbitrary<string> = fc
  .array(fc.constantFrom(...Array.from("'\"\\;-$%{},.()[]/*:@| abAB01"), "é", "\u{1f33e}"), {
    minLength: 1,
    maxLength: 30,
  })
  .map((list) => list.join(""));

/** Names of every sort, also such as must be refused. */
const names: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...ODD_NAMES) },
  { weight: 3, arbitrary: metas },
  { weight: 2, arbitrary: long },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 20 }) },
);

/** So many different names by a seed; every odd one is among the first half where there is room. */
export function differentNames(count: number, seed: number): readonly string[] {
  const made = fc.sample(names, { numRuns: 3 * count, seed });
  const rest = fc.sample(fc.shuffledSubarray([...ODD_NAMES], { minLength: ODD_NAMES.length }), {
    numRuns: 1,
    seed,
  });
  const odd = (rest[0] ?? []).slice(0, Math.ceil(count / 2));
  return [...new Set([...odd, ...made])].slice(0, count);
}
